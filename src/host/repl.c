/*
 * `covet.editline`: libedit for a program that does not wait for keys.
 *
 * The REPL reads the terminal through luv and hands the bytes to `feed`, which
 * gives libedit one whole key at a time (its unbuffered mode), so the loop runs
 * on while a line is being typed. Nothing here blocks.
 */
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <unistd.h>

#include "editor.h"
#include "state.h"

#define EDITOR_TYPE "covet.editline"

static editor *covetL_check_editor(lua_State *L)
{
  editor *self = luaL_checkudata(L, 1, EDITOR_TYPE);

  luaL_argcheck(L, self->line != NULL, 1, "the editor is closed");
  return self;
}

/* editor:feed(bytes) -> event or nil, text or nil, bytes not used yet.
   Events: "line" (with its text), "eof", "interrupt", "suspend". */
static int method_feed(lua_State *L)
{
  editor *self = covetL_check_editor(L);
  const char *event;

  self->input = luaL_checklstring(L, 2, &self->size);
  luaL_argcheck(L, self->active, 1, "no line has been started");
  lua_settop(L, 2);
  self->taken = 0;
  self->L = L;
  event = editor_take_keys(self, L);
  self->L = NULL;
  lua_pushstring(L, event);
  lua_insert(L, -2);
  lua_pushlstring(L, self->input + self->taken, self->size - self->taken);
  self->input = NULL;
  self->size = self->taken = 0;
  return 3;
}

/* --- The line -------------------------------------------------------------- */

/* editor:start(prompt): show the prompt, take the terminal. */
static int method_start(lua_State *L)
{
  editor *self = covetL_check_editor(L);

  snprintf(self->prompt, sizeof(self->prompt), "%s", luaL_checkstring(L, 2));
  editor_start(self);
  return 0;
}

/* editor:stop(): give the terminal back. What was typed is dropped. */
static int method_stop(lua_State *L)
{
  editor *self = luaL_checkudata(L, 1, EDITOR_TYPE);

  if (self->line != NULL) {
    editor_stop(self);
  }
  return 0;
}

/* editor:hide(): wipe prompt and line, so that others can write. */
static int method_hide(lua_State *L)
{
  editor *self = covetL_check_editor(L);

  if (self->active) {
    int rows = editor_rows_above_cursor(self);

    if (rows > 0) {
      printf("\033[%dA", rows);
    }
    printf("\r\033[J");
    fflush(stdout);
  }
  return 0;
}

/* editor:show(): draw prompt and line again, from the start of a row. */
static int method_show(lua_State *L)
{
  editor *self = covetL_check_editor(L);

  if (self->active) {
    fflush(stdout);
    el_set(self->line, EL_REFRESH);
  }
  return 0;
}

/* editor:resize(): the terminal has another size now. */
static int method_resize(lua_State *L)
{
  el_resize(covetL_check_editor(L)->line);
  return 0;
}

/* editor:remember(line): put a line into the history. */
static int method_remember(lua_State *L)
{
  editor *self = covetL_check_editor(L);
  HistEvent event;

  history(self->history, &event, H_ENTER, luaL_checkstring(L, 2));
  return 0;
}

/* editor:complete_with(fn): on_complete says how `fn` is called. */
static int method_complete_with(lua_State *L)
{
  editor *self = covetL_check_editor(L);

  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  luaL_unref(L, LUA_REGISTRYINDEX, self->completer);
  self->completer = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

/* --- Life ------------------------------------------------------------------ */

/* editor:close(), and the finalizer. */
static int method_close(lua_State *L)
{
  editor *self = luaL_checkudata(L, 1, EDITOR_TYPE);

  editor_deinit(self);
  luaL_unref(L, LUA_REGISTRYINDEX, self->completer);
  self->completer = LUA_NOREF;
  return 0;
}

/* editline.open() -> editor, or nil and why when there is no terminal. */
static int editline_open(lua_State *L)
{
  editor *self;
  int failed;

  if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
    lua_pushnil(L);
    lua_pushliteral(L, "not a terminal");
    return 2;
  }
  self = lua_newuserdata(L, sizeof(*self));
  failed = editor_init(self);
  luaL_getmetatable(L, EDITOR_TYPE);
  lua_setmetatable(L, -2);
  if (failed) {
    lua_pushnil(L);
    lua_pushliteral(L, "the line editor does not start");
    return 2;
  }
  return 1;
}

/* editline.is_terminal(fd) -> boolean */
static int editline_is_terminal(lua_State *L)
{
  lua_pushboolean(L, isatty((int) luaL_checkinteger(L, 1)));
  return 1;
}

static const luaL_Reg editor_methods[] = {
    {"feed", method_feed},
    {"start", method_start},
    {"stop", method_stop},
    {"hide", method_hide},
    {"show", method_show},
    {"resize", method_resize},
    {"remember", method_remember},
    {"complete_with", method_complete_with},
    {"close", method_close},
    {"__gc", method_close},
    {NULL, NULL}};

static const luaL_Reg editline_functions[] = {
    {"open", editline_open},
    {"is_terminal", editline_is_terminal},
    {NULL, NULL}};

int luaopen_covet_editline(lua_State *L)
{
  luaL_newmetatable(L, EDITOR_TYPE);
  luaL_setfuncs(L, editor_methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  lua_newtable(L);
  luaL_setfuncs(L, editline_functions, 0);
  return 1;
}
