/* boot/bios/bios.c on a model of memory and a guest that follows a script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "boot/bios/bios.h"
#include "boot/bios/resident.h"
#include "boot/console.h"
#include "boot/refuse_start.h"
#include "lib/bytes.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"

extern const uint8_t bios_resident[], bios_resident_end[];

enum { PLACE = 0x9f800, SECTOR_AT = 0x7c00 };

static struct vcpu *v;
static struct boot_info info;
static struct memory_map map;
static jmp_buf refused_at;
static char sentence[512];
static unsigned screen_changes;

/* In place of the real ones: the sentence, and back to the test. */
void refuse_start(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    longjmp(refused_at, 1);
}

void console_change_screen(const struct boot_framebuffer *screen)
{
    assert_int_equal(screen->kind, BOOT_SCREEN_TEXT);
    assert_int_equal(screen->address, 0xb8000);
    screen_changes++;
}

static uint8_t crtc_index;
static unsigned cursor;

void model_outb(uint16_t port, uint8_t value)
{
    assert_int_equal(port, 0x3d4);
    crtc_index = value;
}

uint8_t model_inb(uint16_t port)
{
    assert_int_equal(port, 0x3d5);
    return (uint8_t)(crtc_index == 0x0e ? cursor >> 8 : cursor);
}

struct cpuid_result model_cpuid(uint32_t leaf, uint32_t subleaf)
{
    return (struct cpuid_result){leaf, subleaf, 0, 0};
}

#define REFUSED(...)                                                                               \
    do {                                                                                           \
        sentence[0] = '\0';                                                                        \
        if (setjmp(refused_at) == 0) {                                                             \
            __VA_ARGS__;                                                                           \
            fail_msg("not refused");                                                               \
        }                                                                                          \
    } while (0)

static int setup(void **state)
{
    (void)state;
    v = model_backend_reset();
    memset(&info, 0, sizeof(info));
    info.boot_drive = 0xe0;
    info.screen.kind = BOOT_SCREEN_TEXT;
    map = (struct memory_map){3, {{0, 0x9fc00, 1}, {0x9fc00, 0xa0000, 2}, {0x100000, 1 << 24, 1}}};
    put16(model_memory(0x413), 639);
    put32(model_memory(0x54), 0xf000f859);
    *model_memory(0x475) = 2;
    screen_changes = 0;
    return 0;
}

static uint16_t piece16(unsigned offset)
{
    return get16(model_memory(PLACE + offset));
}

static void install(const uint8_t *sector)
{
    bios_install(v, &info, &map, 0x81, sector);
}

/* The guest's part of the script: the loader has arrived at its INT3. */
static uint16_t result;

static void finish(struct hv_regs *r)
{
    r->rip = get16(bios_resident + RESIDENT_DONE);
    r->gpr[GPR_RAX] = result;
    r->gpr[GPR_RBX] = 0xdead;
    put16(model_memory(SECTOR_AT + 510), 0xaa55);
}

static void finish_without_signature(struct hv_regs *r)
{
    finish(r);
    put16(model_memory(SECTOR_AT + 510), 0x55aa);
}

static const struct model_entry loads[] = {
    {RUN_FREE, finish, {.kind = HV_EXIT_BREAKPOINT}},
};

static void check(void **state)
{
    struct boot_guest next = {.kind = BOOT_GUEST_NEXT};
    struct boot_guest third = {.kind = BOOT_GUEST_DISK, .disk = 2};

    (void)state;
    assert_int_equal(bios_check(&info, &next), 0x80);
    info.boot_drive = 0x80;
    assert_int_equal(bios_check(&info, &next), 0x81);
    REFUSED(bios_check(&info, &third));
    assert_string_equal(sentence, "guest=disk:2: the BIOS has 2 hard disks, disk:0 to disk:1.");
    info.uefi = true;
    REFUSED(bios_check(&info, &next));
    assert_non_null(strstr(sentence, "UEFI"));
}

static void installs(void **state)
{
    (void)state;
    install(NULL);
    assert_int_equal(piece16(RESIDENT_RANGES), bios_resident_end - bios_resident);
    assert_int_equal(get32(model_memory(PLACE + RESIDENT_OLD_VECTOR)), 0xf000f859);
    assert_int_equal(get16(model_memory(0x54)), piece16(RESIDENT_INT15));
    assert_int_equal(get16(model_memory(0x56)), PLACE >> 4);
    assert_int_equal(get16(model_memory(0x413)), PLACE >> 10);
    assert_int_equal(memory_map_type(&map, PLACE), MEMORY_RESERVED);
    assert_int_equal(*model_memory(PLACE + RESIDENT_DRIVE), 0x81);
    assert_true(*model_memory(PLACE + RESIDENT_TRIES) > 1);
    assert_int_equal(*model_memory(PLACE + RESIDENT_TEXT_MODE), 0);
    assert_int_equal(vcpu_linear_rip(v), PLACE + piece16(RESIDENT_LOAD));
    assert_int_equal(v->regs.seg[SEG_CS].selector, PLACE >> 4);
    assert_int_equal(vcpu_code_bits(v), 16);
    assert_true(v->regs.rflags & RFLAGS_IF); /* the BIOS waits for its drives' interrupts */
}

static void install_refused(void **state)
{
    (void)state;
    put16(model_memory(0x413), 0);
    REFUSED(install(NULL));
    assert_non_null(strstr(sentence, "base memory"));
    assert_int_equal(get32(model_memory(0x54)), 0xf000f859);
}

static void loads_and_enters(void **state)
{
    (void)state;
    result = 0;
    install(NULL);
    model_script(loads, 1);
    bios_load(v, &info);
    assert_true(model_script_done());
    assert_int_equal(model_records[0].traps, TRAP_BREAKPOINT);
    assert_int_equal(v->traps, 0);
    assert_int_equal(vcpu_linear_rip(v), SECTOR_AT);
    assert_int_equal(v->regs.seg[SEG_CS].selector, 0);
    assert_int_equal(v->regs.gpr[GPR_RDX], 0x81);
    assert_int_equal(v->regs.gpr[GPR_RBX], 0);
    assert_int_equal(v->regs.rflags, RFLAGS_IF | RFLAGS_ONE);
    assert_int_equal(v->changed, REGS_ALL);
    assert_int_equal(screen_changes, 0);
}

/* An NMI of the machine's while the BIOS reads goes to the BIOS. */
static void load_with_an_nmi(void **state)
{
    static const struct model_entry with_nmi[] = {
        {RUN_FREE, NULL, {.kind = HV_EXIT_NMI}},
        {RUN_FREE, finish, {.kind = HV_EXIT_BREAKPOINT}},
    };

    (void)state;
    result = 0;
    install(NULL);
    model_script(with_nmi, 2);
    bios_load(v, &info);
    assert_true(model_script_done());
    assert_int_equal(model_nmis, 1);
    assert_int_equal(model_records[1].event.type, HV_EVENT_NMI);
    assert_int_equal(vcpu_linear_rip(v), SECTOR_AT);
}

static void load_refused(void **state)
{
    static const struct model_entry no_signature[] = {
        {RUN_FREE, finish_without_signature, {.kind = HV_EXIT_BREAKPOINT}}};
    static const struct model_entry elsewhere[] = {{RUN_FREE, NULL, {.kind = HV_EXIT_BREAKPOINT}}};
    static const struct model_entry dies[] = {{RUN_FREE, NULL, {.kind = HV_EXIT_SHUTDOWN}}};

    (void)state;
    result = 0x2001;
    install(NULL);
    model_script(loads, 1);
    REFUSED(bios_load(v, &info));
    assert_string_equal(sentence,
                        "the BIOS cannot read drive 0x81: error 0x20 in each of 4 tries.");
    result = 0;
    setup(NULL);
    install(NULL);
    model_script(no_signature, 1);
    REFUSED(bios_load(v, &info));
    assert_non_null(strstr(sentence, "drive 0x81 is not bootable"));
    setup(NULL);
    install(NULL);
    model_script(elsewhere, 1);
    REFUSED(bios_load(v, &info));
    setup(NULL);
    install(NULL);
    model_script(dies, 1);
    REFUSED(bios_load(v, &info));
    assert_non_null(strstr(sentence, "the BIOS failed at"));
}

/* A boot sector that is there already: nothing is read over it. */
static void sector_of_a_module(void **state)
{
    uint8_t sector[512] = {0xeb, 0xfe};

    (void)state;
    install(sector);
    assert_int_equal(*model_memory(PLACE + RESIDENT_TRIES), 0);
    assert_memory_equal(model_memory(SECTOR_AT), sector, sizeof(sector));
}

static void leaves_graphics(void **state)
{
    (void)state;
    result = 0;
    info.screen.kind = BOOT_SCREEN_RGB;
    install(NULL);
    assert_int_equal(*model_memory(PLACE + RESIDENT_TEXT_MODE), 1);
    model_script(loads, 1);
    bios_load(v, &info);
    assert_int_equal(info.screen.kind, BOOT_SCREEN_TEXT);
    assert_int_equal(info.screen.width, 80);
    assert_int_equal(screen_changes, 1);
}

static void takes_the_cursor(void **state)
{
    (void)state;
    install(NULL);
    cursor = 7 * 80 + 3;
    bios_take_cursor();
    assert_int_equal(get16(model_memory(0x450)), 0x0703);
    cursor = 25 * 80;
    bios_take_cursor();
    assert_int_equal(get16(model_memory(0x450)), 0x0703);
}

/* The first test: without an installed piece there is nothing to do. */
static void nothing_without_install(void **state)
{
    (void)state;
    uint64_t rip = v->regs.rip;
    bios_load(v, &info);
    assert_int_equal(model_entries, 0);
    assert_int_equal(v->regs.rip, rip);
    cursor = 80;
    bios_take_cursor();
    assert_int_equal(get16(model_memory(0x450)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_without_install, setup),
        cmocka_unit_test_setup(check, setup),
        cmocka_unit_test_setup(installs, setup),
        cmocka_unit_test_setup(install_refused, setup),
        cmocka_unit_test_setup(loads_and_enters, setup),
        cmocka_unit_test_setup(load_with_an_nmi, setup),
        cmocka_unit_test_setup(load_refused, setup),
        cmocka_unit_test_setup(sector_of_a_module, setup),
        cmocka_unit_test_setup(leaves_graphics, setup),
        cmocka_unit_test_setup(takes_the_cursor, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
