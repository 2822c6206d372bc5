# Tells fgimage which resources failed and why: one line of JSON for each, behind a mark
# (src/stages/provision/puppet/events.ts). https://www.puppet.com/docs/puppet/8/reporting_write_processors.html
require 'json'
require 'puppet'

Puppet::Reports.register_report(:fgimage) do
  desc 'One line of JSON for each resource that failed.'

  def process
    resource_statuses.each_value do |status|
      restart = status.respond_to?(:failed_to_restart) && status.failed_to_restart
      next unless status.failed || restart

      failures = status.events.select { |event| event.status == 'failure' }
      told = {
        resource: status.resource,
        containment: status.containment_path,
        file: status.file,
        line: status.line,
        messages: failures.map { |event| event.message.to_s }.uniq,
      }
      $stdout.puts "fgimage-puppet: #{JSON.generate(told)}"
    end
    $stdout.flush
  end
end
