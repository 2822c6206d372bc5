#!/usr/bin/ruby
# A stand-in for chef-client, for tests only: no part of Chef, and made without its code. It keeps to the contract that
# fgimage uses: the options of the command line, a client.rb that is Ruby, JSON attributes, the layout of a repository
# (cookbooks, roles, environments, encrypted data bags of version 3), local mode with what is served copied to
# file_cache_path, event handlers, CHEF_LICENSE. It has three resources: file, execute, package.
require "base64"
require "fileutils"
require "json"
require "openssl"
require "optparse"

$LOAD_PATH.unshift(File.expand_path("../lib", __dir__))
require "chef/version"

options = {}
OptionParser.new do |parser|
  parser.on("--local-mode") { options[:local] = true }
  parser.on("--no-color") { options[:plain] = true }
  parser.on("--config FILE") { |file| options[:config] = file }
  parser.on("--json-attributes FILE") { |file| options[:json] = file }
end.parse!
abort "not in local mode" unless options[:local]

# client.rb: each word is a setting.
class Settings
  attr_reader :values, :event_handlers

  def initialize
    @values = {}
    @event_handlers = []
  end

  def ohai
    Struct.new(:disabled_plugins).new([])
  end

  def method_missing(name, *given)
    given.empty? ? @values[name] : @values[name] = given.first
  end

  def respond_to_missing?(*)
    true
  end
end

settings = Settings.new
settings.instance_eval(File.read(options[:config]), options[:config])
CONFIG = settings.values
EVENTS = settings.event_handlers
def tell(name, *given)
  EVENTS.each { |one| one.public_send(name, *given) }
end

if ENV["CHEF_LICENSE"] != "accept-no-persist"
  warn "The licence of the stand-in is not accepted"
  exit 172
end

class PackageError < StandardError; end

class Resource
  attr_reader :cookbook_name, :recipe_name, :source_line, :action, :ignore_failure

  def initialize(type, name, recipe, line, &block)
    @type, @name, @source_line, @recipe = type, name, line, recipe
    @cookbook_name, @recipe_name = recipe.names
    @action = {file: :create, execute: :run, package: :install}.fetch(type)
    @given = {}
    instance_eval(&block) if block
  end

  # A property where it is given a value; else a word of the recipe.
  def method_missing(name, *given)
    return @recipe.public_send(name, *given) if @recipe.respond_to?(name)

    @given[name] = given.fetch(0)
  end

  def respond_to_missing?(*)
    true
  end

  def to_s
    "#{@type}[#{@name}]"
  end

  def run
    case @type
    when :file
      FileUtils.mkdir_p(File.dirname(@name))
      File.write(@name, @given[:content])
    when :execute
      system(@given[:command] || @name) or raise "Expected process to exit with [0], but received '#{$?.exitstatus}'"
    when :package
      system("dpkg-query", "--show", @name, out: File::NULL, err: File::NULL) or
        raise PackageError, "No candidate version available for #{@name}"
    end
  end
end

class Recipe
  attr_reader :names

  def initialize(run, cookbook, name, file)
    @run, @names = run, [cookbook, name]
    instance_eval(File.read(file), file)
  end

  %i[file execute package].each do |type|
    define_method(type) do |name, &block|
      @run.resources << Resource.new(type, name, self, caller(1, 1).first, &block)
    end
  end

  def node
    @run.node
  end

  def include_recipe(name)
    @run.recipe(name)
  end

  # https://docs.chef.io/data_bags/: aes-256-gcm, the key is the SHA-256 of the secret.
  def data_bag_item(bag, item)
    values = JSON.parse(File.read("#{CONFIG[:data_bag_path]}/#{bag}/#{item}.json"))
    secret = File.read(CONFIG[:encrypted_data_bag_secret]).strip
    values.to_h { |key, value| [key, value.is_a?(Hash) ? decrypted(value, secret) : value] }
  end

  def decrypted(value, secret)
    cipher = OpenSSL::Cipher.new("aes-256-gcm").decrypt
    cipher.key = OpenSSL::Digest.digest("SHA256", secret)
    cipher.iv = Base64.decode64(value["iv"])
    cipher.auth_tag = Base64.decode64(value["auth_tag"])
    cipher.auth_data = ""
    JSON.parse(cipher.update(Base64.decode64(value["encrypted_data"])) + cipher.final)["json_wrapper"]
  end
end

class Run
  attr_reader :node, :resources

  def initialize(attributes)
    @node, @resources, @read = attributes, [], {}
  end

  def all_resources
    @resources
  end

  def resource_collection
    self
  end

  def serve
    @served = "#{CONFIG[:file_cache_path]}/cookbooks"
    FileUtils.mkdir_p(@served)
    FileUtils.cp_r(Dir["#{CONFIG[:cookbook_path]}/*"], @served)
  end

  def expand(items)
    items.each do |item|
      name = item[/\A(?:recipe|role)\[(.+)\]\z/, 1] || item
      next recipe(name) unless item.start_with?("role[")

      role = JSON.parse(File.read("#{CONFIG[:role_path]}/#{name}.json"))
      expand(role.fetch("env_run_lists", {})[CONFIG[:environment]] || role["run_list"])
    end
  end

  def recipe(text)
    cookbook, name = text.split("::")
    name ||= "default"
    return if @read[[cookbook, name]]

    @read[[cookbook, name]] = true
    Recipe.new(self, cookbook, name, "#{@served}/#{cookbook}/recipes/#{name}.rb")
  end

  def converge
    tell(:converge_start, self)
    @resources.each do |resource|
      tell(:resource_action_start, resource, resource.action)
      puts "  * #{resource} action #{resource.action}"
      begin
        resource.run
      rescue StandardError => error
        tell(:resource_failed, resource, resource.action, error)
        raise
      ensure
        tell(:resource_completed, resource)
      end
    end
  end
end

begin
  tell(:run_start, Chef::VERSION)
  puts "Starting the stand-in, version #{Chef::VERSION}"
  attributes = JSON.parse(File.read(options[:json]))
  run = Run.new(attributes.reject { |key| key == "run_list" })
  if (environment = CONFIG[:environment])
    settings = JSON.parse(File.read("#{CONFIG[:environment_path]}/#{environment}.json"))
    run.node.merge!(settings["override_attributes"] || {})
  end
  run.serve
  run.expand(attributes["run_list"])
  run.converge
  nodes = "#{CONFIG[:chef_repo_path]}/nodes"
  FileUtils.mkdir_p(nodes)
  File.write("#{nodes}/#{CONFIG[:node_name]}.json", JSON.generate(run.node))
  File.write("#{CONFIG[:file_backup_path]}/traces", "stand-in")
rescue StandardError, SyntaxError => error
  tell(:run_failed, error)
  warn "FATAL: #{error.class}: #{error.message}"
  exit 1
end
