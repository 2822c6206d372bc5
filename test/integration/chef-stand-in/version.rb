class Chef
  VERSION = "99.1.4".freeze
end
