#include "path.h"

#include <stdio.h>
#include <string.h>

#define PATH_SIZE 4096

static int file_exists(const char *folder, const char *name)
{
  char path[PATH_SIZE];
  FILE *file;
  int length = snprintf(path, sizeof(path), "%s/%s", folder, name);

  if (length < 0 || (size_t) length >= sizeof(path)) {
    return 0;
  }
  file = fopen(path, "r");
  if (file == NULL) {
    return 0;
  }
  fclose(file);
  return 1;
}

void covetL_add_folders(lua_State *L, const char *folders, int last)
{
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "path");
  lua_pushliteral(L, "");
  while (*folders != '\0') {
    size_t length = strcspn(folders, ";");

    lua_pushlstring(L, folders, length);
    lua_pushfstring(L, "%s%s/?.lua;%s/?/init.lua;", lua_tostring(L, -2),
                    lua_tostring(L, -1), lua_tostring(L, -1));
    lua_replace(L, -3);
    lua_pop(L, 1);
    folders += length + (folders[length] == ';');
  }
  if (last) {
    lua_pushfstring(L, "%s;%s", lua_tostring(L, -2), lua_tostring(L, -1));
  } else {
    lua_pushfstring(L, "%s%s", lua_tostring(L, -1), lua_tostring(L, -2));
  }
  lua_setfield(L, -4, "path");
  lua_pop(L, 3);
}

void covetL_push_folders(lua_State *L, const char *folder, const char *build,
                         const char *relative, const char *installed)
{
  if (file_exists(folder, "CMakeCache.txt")) {
    lua_pushstring(L, build);
  } else {
    lua_pushfstring(L, "%s/%s;%s", folder, relative, installed);
  }
}
