class Chef
  module EventDispatch
    # As Chef's: a handler has a method for each event that it wants.
    class Base; end
  end
end
