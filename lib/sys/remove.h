/* SPDX-License-Identifier: MIT */
/*
 * Removing a folder somebody hostile has filled: nothing in it is followed, mounts are
 * not entered, depth costs neither stack nor descriptors. Without a C library, as all of
 * sys/.
 */
#ifndef JL_SYS_REMOVE_H
#define JL_SYS_REMOVE_H

/* Removes the folder name below dir with all that is in it, as far as that is possible.
 */
void jl__sys_remove_tree(int dir, const char *name);

#endif
