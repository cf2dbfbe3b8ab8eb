/**
 * LuaJIT's functions as weak references: included first in the copy of the
 * binding that stands in libcovet. A program without Lua then links and runs
 * without LuaJIT; in one that embeds it, they are that program's own. One that
 * is missing here stops the build of libcovet.
 */
#ifndef COVET_LUA_WEAK_H
#define COVET_LUA_WEAK_H

/* Lua may be absent: covet_open_lua looks. */
#define COVET_WEAK_LUA 1

#pragma weak luaJIT_setmode
#pragma weak luaL_argerror
#pragma weak luaL_checkinteger
#pragma weak luaL_checklstring
#pragma weak luaL_checknumber
#pragma weak luaL_checkoption
#pragma weak luaL_checkstack
#pragma weak luaL_checktype
#pragma weak luaL_checkudata
#pragma weak luaL_error
#pragma weak luaL_loadbuffer
#pragma weak luaL_loadstring
#pragma weak luaL_newmetatable
#pragma weak luaL_newstate
#pragma weak luaL_openlibs
#pragma weak luaL_optinteger
#pragma weak luaL_optnumber
#pragma weak luaL_ref
#pragma weak luaL_unref
#pragma weak lua_call
#pragma weak lua_close
#pragma weak lua_createtable
#pragma weak lua_getfenv
#pragma weak lua_getfield
#pragma weak lua_getinfo
#pragma weak lua_getmetatable
#pragma weak lua_getstack
#pragma weak lua_gettop
#pragma weak lua_isnumber
#pragma weak lua_isstring
#pragma weak lua_newuserdata
#pragma weak lua_objlen
#pragma weak lua_pcall
#pragma weak lua_pushboolean
#pragma weak lua_pushcclosure
#pragma weak lua_pushfstring
#pragma weak lua_pushinteger
#pragma weak lua_pushlightuserdata
#pragma weak lua_pushlstring
#pragma weak lua_pushnil
#pragma weak lua_pushnumber
#pragma weak lua_pushstring
#pragma weak lua_pushvalue
#pragma weak lua_rawget
#pragma weak lua_rawgeti
#pragma weak lua_rawset
#pragma weak lua_rawseti
#pragma weak lua_remove
#pragma weak lua_replace
#pragma weak lua_setfenv
#pragma weak lua_setfield
#pragma weak lua_sethook
#pragma weak lua_setmetatable
#pragma weak lua_settop
#pragma weak lua_toboolean
#pragma weak lua_tointeger
#pragma weak lua_tolstring
#pragma weak lua_tonumber
#pragma weak lua_touserdata
#pragma weak lua_type
#pragma weak lua_typename

#endif
