/* The registers of the target in fake_target.h, and how gdb is told of them. */
#include <stdio.h>

#include "tests/unit/fake_target.h"

size_t fake_register_size(unsigned number)
{
    if (number >= FAKE_REGISTERS)
        return 0;
    if (number >= FAKE_EFLAGS && number < FAKE_G_COUNT)
        return 4;
    if (number >= FAKE_ST0 && number < FAKE_ST0 + 8)
        return 10;
    if (number >= FAKE_ST0 + 8 && number < FAKE_G_MAX)
        return 4;
    return 8;
}

static const char *const names[FAKE_REGISTERS] = {
    "rax",   "rbx",  "rcx",   "rdx",   "rsi",   "rdi",   "rbp",    "rsp", "r8",  "r9",    "r10",
    "r11",   "r12",  "r13",   "r14",   "r15",   "rip",   "eflags", "cs",  "ss",  "ds",    "es",
    "fs",    "gs",   "st0",   "st1",   "st2",   "st3",   "st4",    "st5", "st6", "st7",   "fctrl",
    "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop",    "cr0", "cr3", "ghost", "fixed",
};

static const char *type_name(unsigned number)
{
    if (number == FAKE_RIP)
        return "code_ptr";
    if (number == FAKE_RSP || number == FAKE_RBP)
        return "data_ptr";
    if (fake_register_size(number) == 10)
        return "i387_ext";
    return fake_register_size(number) == 4 ? "int32" : "int64";
}

/* The comment in it holds what must be escaped in binary replies. */
const char *fake_description(void)
{
    static char xml[8192];
    size_t len = 0;

    if (xml[0] != '\0')
        return xml;
#define ADD(...) len += (size_t)snprintf(xml + len, sizeof(xml) - len, __VA_ARGS__)
    ADD("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
        "<!-- # $ } *** ########## }}}}}}} -->\n"
        "<target version=\"1.0\"><architecture>i386:x86-64</architecture>\n"
        "<feature name=\"org.gnu.gdb.i386.core\">\n");
    for (unsigned i = 0; i < FAKE_REGISTERS; i++) {
        if (i == FAKE_CR0)
            ADD("</feature><feature name=\"test.system\">\n");
        ADD("<reg name=\"%s\" bitsize=\"%zu\" type=\"%s\"/>\n", names[i], 8 * fake_register_size(i),
            type_name(i));
    }
    ADD("</feature></target>\n");
#undef ADD
    return xml;
}
