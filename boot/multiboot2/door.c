#include "boot/multiboot2/door.h"

#include "boot/hall.h"
#include "boot/multiboot2/mbi.h"
#include "boot/options.h"
#include "boot/relocate.h"
#include "boot/reservation.h"

enum { MAX_USED = BOOT_MAX_MODULES + 2 };

/* Survives the move: lies in the image that is copied. */
static struct boot_info boot;
static enum hv_status map_status;

/* In the image at the top of RAM (or where it was loaded, when there is no room). */
static void continue_in_copy(uint64_t mbi)
{
    boot.door = "multiboot2";
    if (mbi && map_status == HV_OK)
        map_status = mbi_read((const uint8_t *)mbi, &boot);
    hall_enter(&boot, map_status);
}

/* The hall reads the options, and tells what is wrong with them; this one has to be known before.
 */
static uint32_t trace_size(const uint8_t *mbi)
{
    static struct boot_options options;
    static struct boot_option_errors errors;

    mbi_options(mbi, boot.options, sizeof(boot.options));
    boot_options_parse(boot.options, true, &options, &errors);
    return options.trace;
}

void door_enter(uint32_t magic, uint32_t mbi)
{
    image_fix_pointers();
    if (magic != MBI_MAGIC) {
        map_status = HV_EINVAL;
        continue_in_copy(0);
        __builtin_unreachable();
    }

    const uint8_t *bytes = (const uint8_t *)(uint64_t)mbi;
    map_status = mbi_memory_map(bytes, &boot.map);

    struct memory_range used[MAX_USED + 1];
    unsigned count = mbi_used_ranges(bytes, used, MAX_USED);
    used[count++] = (struct memory_range){image_base(), image_base() + image_size(), 0};

    boot.self_size = reservation_size(image_size(), trace_size(bytes));
    boot.self_start =
        memory_map_find_top(&boot.map, boot.self_size, RESERVATION_ALIGN, 1ULL << 32, used, count);
    if (boot.self_start)
        image_move(boot.self_start, continue_in_copy, mbi);
    continue_in_copy(mbi);
    __builtin_unreachable();
}
