#include "boot/bios/bios.h"

#include "arch/x86/physmem.h"
#include "arch/x86/registers.h"
#include "boot/bios/drive.h"
#include "boot/bios/resident.h"
#include "boot/console.h"
#include "boot/refuse_start.h"
#include "boot/set_entry.h"
#include "core/a20_guard.h"
#include "core/backend.h"
#include "core/run.h"
#include "drivers/vga/text.h"
#include "hv/compiler.h"
#include "lib/bytes.h"
#include "lib/log.h"

/* resident.asm */
extern const uint8_t bios_resident[], bios_resident_end[];

enum {
    VECTOR_15 = 0x15 * 4,    /* in the interrupt vector table */
    BDA_BASE_MEMORY = 0x413, /* KiB, 16 bits */
    BDA_CURSOR = 0x450,      /* of page 0: column, row */
    BDA_HARD_DISKS = 0x475,  /* how many */
    SECTOR_AT = 0x7c00,
    SECTOR_SIZE = 512,
    SIGNATURE_AT = SECTOR_AT + 510,
    SIGNATURE = 0xaa55,
    TRIES = 4,
    TEXT_COLUMNS = 80,
    TEXT_ROWS = 25,
};

static uint8_t piece[RESIDENT_MAX];
static uint8_t boot_drive;
static hpa_t place; /* 0: not installed */

static uint16_t bios_word(hpa_t address)
{
    uint8_t bytes[2];

    physmem_read(address, bytes, sizeof(bytes));
    return get16(bytes);
}

static void set_bios_word(hpa_t address, uint16_t value)
{
    uint8_t bytes[2];

    put16(bytes, value);
    physmem_write(address, bytes, sizeof(bytes));
}

uint8_t bios_check(const struct boot_info *info, const struct boot_guest *guest)
{
    struct refusal refusal;
    uint8_t disks, drive;

    if (info->uefi)
        refuse_start("guest=next and guest=disk:N need a BIOS, but UEFI has started this machine.");
    physmem_read(BDA_HARD_DISKS, &disks, sizeof(disks));
    if (!bios_choose_drive(guest, info->boot_drive, disks, &drive, &refusal))
        refuse_start("%s.", refusal.text);
    return drive;
}

void bios_install(struct vcpu *v, const struct boot_info *info, struct memory_map *map,
                  uint8_t drive, const uint8_t *sector)
{
    size_t code_size = (size_t)(bios_resident_end - bios_resident), used;
    struct resident_facts facts = {
        .old_vector = bios_word(VECTOR_15) | (uint32_t)bios_word(VECTOR_15 + 2) << 16,
        .drive = drive,
        .tries = sector ? 0 : TRIES,
        .set_text_mode = info->screen.kind == BOOT_SCREEN_RGB,
    };
    uint64_t base_end = (uint64_t)bios_word(BDA_BASE_MEMORY) << 10;

    place = resident_place(map, base_end, code_size);
    if (!place ||
        resident_write(bios_resident, code_size, &facts, map, piece, sizeof(piece), &used) != HV_OK)
        refuse_start("no room at the top of base memory (%llu KiB) for the piece that stays there.",
                     (unsigned long long)(base_end >> 10));
    physmem_write(place, piece, used);
    set_bios_word(BDA_BASE_MEMORY, (uint16_t)(place >> 10));
    set_bios_word(VECTOR_15, get16(piece + RESIDENT_INT15));
    set_bios_word(VECTOR_15 + 2, (uint16_t)(place >> 4));
    if (sector)
        physmem_write(SECTOR_AT, sector, SECTOR_SIZE);
    log_print("bios: drive 0x%x; INT 15h hooked by %llu bytes at %llx", drive,
              (unsigned long long)used, (unsigned long long)place);

    struct guest_entry loader = {.mode = GUEST_REAL16,
                                 .cs = (uint16_t)(place >> 4),
                                 .rip = get16(piece + RESIDENT_LOAD),
                                 .rsp = SECTOR_AT,
                                 .rflags = GUEST_RFLAGS | RFLAGS_IF};
    boot_drive = drive;
    a20_guard_init();
    set_entry(v, &loader);
}

/* The loader runs until its INT3; nobody debugs yet. */
static void run_loader(struct vcpu *v)
{
    struct hv_exit exit;

    v->traps = TRAP_BREAKPOINT;
    do {
        core_run(v, &exit);
        if (exit.kind == HV_EXIT_NMI) {
            hv_backend->take_nmi();
            core_forward_nmi(v);
        }
    } while (exit.kind == HV_EXIT_NMI);
    v->traps = 0;
    if (exit.kind != HV_EXIT_BREAKPOINT ||
        vcpu_linear_rip(v) != place + get16(piece + RESIDENT_DONE))
        refuse_start("the BIOS failed at %llx while it read drive 0x%x: %s.",
                     (unsigned long long)vcpu_linear_rip(v), boot_drive, hv_exit_name(exit.kind));
}

void bios_load(struct vcpu *v, struct boot_info *info)
{
    struct guest_entry entry = {.mode = GUEST_REAL16,
                                .rip = SECTOR_AT,
                                .rsp = SECTOR_AT,
                                .rdx = boot_drive,
                                .rflags = GUEST_RFLAGS | RFLAGS_IF};

    if (!place)
        return;
    run_loader(v);
    if (piece[RESIDENT_TEXT_MODE]) {
        info->screen = (struct boot_framebuffer){.kind = BOOT_SCREEN_TEXT,
                                                 .address = VGA_TEXT_ADDRESS,
                                                 .width = TEXT_COLUMNS,
                                                 .height = TEXT_ROWS};
        console_change_screen(&info->screen);
    }
    uint16_t result = (uint16_t)v->regs.gpr[GPR_RAX];
    if (result & 0xff)
        refuse_start("the BIOS cannot read drive 0x%x: error 0x%x in each of %u tries.", boot_drive,
                     result >> 8, TRIES);
    if (bios_word(SIGNATURE_AT) != SIGNATURE)
        refuse_start("drive 0x%x is not bootable: its first sector does not end in 55 aa.",
                     boot_drive);
    set_entry(v, &entry);
}

void bios_take_cursor(void)
{
    unsigned cursor = vga_text_cursor();

    if (place && cursor < TEXT_COLUMNS * TEXT_ROWS)
        set_bios_word(BDA_CURSOR, (uint16_t)(cursor % TEXT_COLUMNS | cursor / TEXT_COLUMNS << 8));
}
