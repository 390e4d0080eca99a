/* SPDX-License-Identifier: MIT */
/* The supervisor as bytes inside the library; JL_SUPERVISOR_IMAGE is the linked program. */
	.section .rodata
	.balign 4096
	.globl jl__supervisor_image
	.hidden jl__supervisor_image
	.type jl__supervisor_image, %object
jl__supervisor_image:
	.incbin JL_SUPERVISOR_IMAGE
	.size jl__supervisor_image, . - jl__supervisor_image
	.globl jl__supervisor_image_end
	.hidden jl__supervisor_image_end
	.type jl__supervisor_image_end, %object
jl__supervisor_image_end:
	.byte 0
	.section .note.GNU-stack, "", %progbits
