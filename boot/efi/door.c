#include "boot/efi/door.h"

#include "arch/x86/insn.h"
#include "boot/efi/cpu.h"
#include "boot/hall.h"
#include "boot/refuse_start.h"
#include "boot/relocate.h"
#include "hv/compiler.h"
#include "lib/atomic.h"
#include "lib/fmt.h"

/* launch.asm */
uint64_t efi_launch(struct efi_context *context);
HV_NORETURN void efi_return(const struct efi_context *context, uint64_t value);
HV_NORETURN void efi_depart(struct efi_context *context);

/* Survive the move: lie in the image that is copied. */
static struct boot_info boot;
static struct efi_cpu cpu;
static enum hv_status map_status;

/* The other CPUs wait here, in the image that is not moved. */
enum { WAIT, GO, RETURN };
static struct other {
    struct efi_cpu cpu;
    struct {
        uint64_t function;
        uint32_t what;
    } call; /* boot_other_cpu.call */
    uint32_t waits;
} others[HV_MAX_CPUS - 1];
HV_ASSERT_OFFSET(struct other, cpu.context, 0);
static uint32_t other_count, dismissed;

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

/* Another CPU: until it is called for, with its registers to be seen. */
static HV_NORETURN void wait_for_call(struct other *other)
{
    efi_cpu_capture(&other->cpu);
    atomic_set(&other->waits, 1);
    while (atomic_get(&other->call.what) == WAIT)
        cpu_pause();
    if (atomic_get(&other->call.what) == GO)
        ((void (*)(void))other->call.function)();
    efi_return(&other->cpu.context, 0);
}

static void note_others(struct boot_running *r)
{
    for (r->other_count = 0; r->other_count < efi_door_joined(); r->other_count++) {
        struct other *other = &others[r->other_count];
        struct boot_other_cpu *o = &r->others[r->other_count];
        efi_cpu_registers(&other->cpu, (const uint8_t *)other->cpu.gdtr.base, &o->regs);
        o->debug_regs = other->cpu.debug_regs;
        o->call = (gpa_t)&other->call;
    }
}

/* Called by efi_launch(), on the firmware's stack. */
void efi_depart(struct efi_context *context)
{
    if (context != &cpu.context)
        wait_for_call((struct other *)context);
    efi_cpu_capture(&cpu);
    note_others(&boot.running);
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

void efi_door_join(void)
{
    uint32_t number;

    do {
        number = atomic_get(&other_count);
        if (number == HV_ARRAY_SIZE(others))
            return;
    } while (!atomic_replace(&other_count, number, number + 1));
    efi_launch(&others[number].cpu.context);
}

unsigned efi_door_joined(void)
{
    unsigned count = 0;

    if (atomic_get(&dismissed))
        return 0;
    while (count < HV_ARRAY_SIZE(others) && atomic_get(&others[count].waits))
        count++;
    return count;
}

void efi_door_dismiss(void)
{
    atomic_set(&dismissed, 1);
    for (unsigned i = 0; i < HV_ARRAY_SIZE(others); i++)
        atomic_set(&others[i].call.what, RETURN);
}
