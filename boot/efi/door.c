#include "boot/efi/door.h"

#include "boot/efi/cpu.h"
#include "boot/hall.h"
#include "boot/refuse_start.h"
#include "boot/relocate.h"
#include "hv/compiler.h"
#include "lib/fmt.h"

/* launch.asm */
uint64_t efi_launch(struct efi_context *context);
HV_NORETURN void efi_return(const struct efi_context *context, uint64_t value);
HV_NORETURN void efi_depart(void);

/* Survive the move: lie in the image that is copied. */
static struct boot_info boot;
static struct efi_cpu cpu;
static enum hv_status map_status;

struct boot_info *efi_door_info(void)
{
    return &boot;
}

/* Not started: back to where efi_launch() was called, with what the processor had then. */
static HV_NORETURN void go_back(const char *sentence)
{
    static char kept[REFUSAL_SIZE];

    fmt_print(kept, sizeof(kept), "%s", sentence);
    efi_cpu_restore(&cpu);
    efi_return(&cpu.context, (uint64_t)kept);
}

static void continue_in_copy(uint64_t unused)
{
    (void)unused;
    boot.door = "uefi";
    refuse_start_by(go_back);
    hall_enter(&boot, map_status);
}

/* Called by efi_launch(), on the firmware's stack. */
void efi_depart(void)
{
    efi_cpu_capture(&cpu);
    efi_cpu_registers(&cpu, (const uint8_t *)cpu.gdtr.base, &boot.running.regs);
    boot.running.debug_regs = cpu.debug_regs;
    boot.running.goes_on = true;
    if (boot.self_start)
        image_move(boot.self_start, continue_in_copy, 0);
    continue_in_copy(0);
    __builtin_unreachable();
}

const char *efi_door_launch(enum hv_status status)
{
    map_status = status;
    return (const char *)efi_launch(&cpu.context);
}
