# Tells fgimage what chef-client does: one line of JSON for an event, behind a mark, on standard error. Required by the
# client.rb that fgimage writes; src/stages/provision/chef/progress.ts reads it. It keeps to what Chef 12 to 19 have.
require "json"
require "chef/version"
require "chef/event_dispatch/base"

module Fgimage
  MARK = "fgimage-chef ".freeze
  # A write of up to 4096 bytes to a pipe is not torn apart by others (pipe(7), PIPE_BUF).
  MOST_LETTERS = 1500
  MOST_LINES = 6
  MOST_NAMES = 30
  # Resources of the distribution's packages, and not of gems and the like.
  PACKAGES = %w{Package AptPackage DpkgPackage YumPackage DnfPackage}.freeze

  def self.tell(event)
    STDERR.syswrite("#{MARK}#{JSON.generate(event)}\n")
  end

  def self.text(value)
    value.to_s.encode("UTF-8", invalid: :replace, undef: :replace).scrub("?")[0, MOST_LETTERS]
  end

  # Ends the run where the client is not of the wanted version, which may be the beginning of one.
  def self.check_version(wanted)
    return if Chef::VERSION == wanted || Chef::VERSION.start_with?("#{wanted}.")

    tell(event: "other-version", version: text(Chef::VERSION))
    exit!(1)
  end

  class Report < Chef::EventDispatch::Base
    def initialize(folders)
      @folders = folders
    end

    def run_start(version, run_status = nil)
      tell(event: "run", version: Fgimage.text(version))
    end

    def converge_start(run_context)
      tell(event: "converge", resources: run_context.resource_collection.all_resources.size)
    end

    def converge_complete
      tell(event: "complete")
    end

    def resource_action_start(resource, action, notification_type = nil, notifier = nil)
      tell(event: "start", **named(resource, action))
    end

    # A package that is there already, which the client may have brought along.
    def resource_up_to_date(resource, action)
      kind = resource.class.name.to_s.split("::").last
      return unless PACKAGES.include?(kind) && %i{install upgrade}.include?(action)

      names = Array(resource.package_name || resource.name)
      tell(event: "has-packages", packages: names.first(MOST_NAMES).map { |name| Fgimage.text(name)[0, 100] })
    end

    def resource_failed(resource, action, exception)
      tell(event: "failed", ignored: resource.ignore_failure ? true : false,
           **named(resource, action), **reason(exception))
    end

    def resource_completed(resource)
      tell(event: "done")
    end

    def run_failed(exception, run_status = nil)
      tell(event: "run-failed", **reason(exception))
    end

    private

    def tell(event)
      Fgimage.tell(event)
    end

    def named(resource, action)
      {
        resource: Fgimage.text(resource.to_s)[0, 300],
        action: Fgimage.text(action),
        cookbook: Fgimage.text(resource.cookbook_name),
        recipe: Fgimage.text(resource.recipe_name),
        place: Fgimage.text(resource.source_line)[0, 300],
      }
    end

    def reason(exception)
      {
        error: Fgimage.text(exception.class.name),
        message: Fgimage.text(exception.message),
        trace: trace(exception).first(MOST_LINES).map { |line| Fgimage.text(line)[0, 200] },
      }
    end

    # The lines of cookbooks; for a file that is no Ruby the first line of the message has its place.
    def trace(exception)
      lines = [exception.message.to_s.lines.first.to_s.strip, *exception.backtrace]
      lines.select { |line| @folders.any? { |folder| line.start_with?("#{folder}/") } }
    end
  end
end
