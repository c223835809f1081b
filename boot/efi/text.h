/*
 * Option texts as UEFI gives them: a boot entry's or shell's load options, and gdbvisor.cfg. Pure:
 * bytes -> the option line, in ASCII. Other characters become '?'.
 */
#ifndef BOOT_EFI_TEXT_H
#define BOOT_EFI_TEXT_H

#include "hv/status.h"
#include "hv/types.h"

/*
 * Load options: UTF-16, or ASCII as efibootmgr writes it without -u. A shell passes the command
 * line whole: its first word is left out when it ends in .efi or names the program that runs
 * (own_name: its file name, in ASCII; "" when that is not known). What is no text at all (a boot
 * entry may hold any bytes) gives an empty line.
 * HV_ENOSPC: the line does not fit into `room` bytes with its terminator; it is then empty.
 */
enum hv_status efi_text_load_options(const uint8_t *bytes, size_t size, const char *own_name,
                                     char *line, size_t room);

/*
 * gdbvisor.cfg: UTF-8 with or without byte order mark, or UTF-16 with one, in either order. Lines
 * end by LF or CRLF, the last one also without; they are joined by spaces. A '#' at the beginning
 * of a word begins a comment up to the end of the line. HV_ENOSPC as above; HV_EINVAL: control
 * characters say that this is no such text (UTF-16 without a mark has them), the line is empty.
 */
enum hv_status efi_text_config(const uint8_t *bytes, size_t size, char *line, size_t room);

#endif
