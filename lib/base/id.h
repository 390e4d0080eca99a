/* SPDX-License-Identifier: MIT */
#ifndef JL_BASE_ID_H
#define JL_BASE_ID_H

/*
 * The first byte of a random id, made to begin with a letter. Jobs know each other by the
 * beginning of their ids: without a letter in it that would be taken for an address,
 * somewhere in the world. And for a number of a job.
 */
static inline unsigned char jl__id_first(unsigned char random)
{
	return (unsigned char)((10u + (random >> 4) % 6u) << 4 | (random & 15u));
}

#endif
