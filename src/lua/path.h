/** Where covet's modules in Lua are. */
#ifndef COVET_LUA_PATH_H
#define COVET_LUA_PATH_H

#include <lua.h>

/** Put `folder/?.lua;folder/?/init.lua;` for each folder of a `;` list in front
 *  of package.path, or (`last`) behind it. */
void covetL_add_folders(lua_State *L, const char *folders, int last);

/** Push the list of folders with covet's modules, of a file of covet that
 *  stands in `folder`: a build tree's `build`, else `relative` to the folder,
 *  then the absolute `installed`. */
void covetL_push_folders(lua_State *L, const char *folder, const char *build,
                         const char *relative, const char *installed);

#endif
