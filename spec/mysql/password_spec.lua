-- Passwords that a function gives, and that change while the adapter runs.
local mysql = require "spec.support.mysql"
local passwords = require "spec.support.passwords"

mysql.describe("a password that a function gives", function()
  local user = ("rotating_%d"):format(require "luv".os_getpid())
  local server = {}

  setup(function()
    mysql.administer(("create user %s identified by 'first'; grant select on *.* to %s"):format(user, user))
  end)
  teardown(function()
    mysql.administer("drop user " .. user)
  end)

  function server.open(options)
    options.user = user
    return mysql.adapter(options)
  end

  function server.rotate(password)
    mysql.administer(("alter user %s identified by '%s'"):format(user, password))
  end

  function server.cut()
    mysql.administer("kill user " .. user)
  end

  function server.refused()
    return tonumber(mysql.administer("select variable_value from information_schema.global_status "
      .. "where variable_name = 'ACCESS_DENIED_ERRORS'"))
  end

  function server.code(options)
    local at = mysql.options(mysql.url)
    return ("covet.mysql((function(o) o.host, o.port, o.database, o.user = %q, %d, %q, %q return o end)(%s))")
      :format(at.host, at.port, at.database, user, options)
  end

  passwords(server)
end)
