/**
 * libedit for a program that does not wait for keys: it is given one whole key
 * at a time (its unbuffered mode).
 */
#ifndef COVET_HOST_EDITOR_H
#define COVET_HOST_EDITOR_H

#include <histedit.h>
#include <lua.h>
#include <stddef.h>

#define EDITOR_PROMPT_SIZE 64

typedef struct editor {
  EditLine *line;
  History *history;
  lua_State *L;      /* who takes keys now, NULL outside of that */
  const char *input; /* borrowed while keys are taken */
  size_t size;
  size_t taken;
  int completer; /* reference in the registry: a function or LUA_NOREF */
  int active;    /* a line is being typed, the terminal is raw */
  char prompt[EDITOR_PROMPT_SIZE];
} editor;

/** Open standard input and output, which must be a terminal. Returns 0, or -1;
 *  call editor_deinit either way. */
int editor_init(editor *self);

/** Give the terminal back and free everything. May be called twice. */
void editor_deinit(editor *self);

/** Show the prompt and take the terminal. */
void editor_start(editor *self);

/** Give the terminal back. What was typed is dropped. */
void editor_stop(editor *self);

/**
 * Take keys of the input until something is to be told: "line", "eof",
 * "interrupt", "suspend", or NULL when the input has no whole key left. Pushes
 * the line's text, or nil. `self->L` is set to `L`.
 */
const char *editor_take_keys(editor *self, lua_State *L);

/** Rows of the terminal between the prompt's and the cursor's. */
int editor_rows_above_cursor(editor *self);

#endif
