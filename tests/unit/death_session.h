/* Sessions with a local APIC and stage 2, for debug/death.c. Include it once, first. */
#ifndef TESTS_UNIT_DEATH_SESSION_H
#define TESTS_UNIT_DEATH_SESSION_H

#include "arch/x86/apic.h"
#include "core/handle.h"
#include "core/ipi.h"
#include "core/stage2.h"
#include "debug/catch.h"
#include "tests/model/stage2.h"
#include "tests/unit/fake_session.h"

#define LAPIC 0xfee00000ULL

bool model_rdmsr(uint32_t msr, uint64_t *value)
{
    assert_int_equal(msr, MSR_APIC_BASE);
    *value = LAPIC | APIC_BASE_ENABLE;
    return true;
}

uint32_t model_mmio_read(hpa_t address, unsigned size)
{
    (void)size;
    (void)address;
    return 0;
}

void model_mmio_write(hpa_t address, uint32_t value, unsigned size)
{
    (void)size;
    (void)address;
    (void)value;
}

/* Stage 2, with the APIC's page guarded; once. */
static inline void build_tables(void)
{
    static uint8_t pool[256 * 4096] HV_ALIGNED(4096);
    const struct stage2_config config = {&npt, 39, true, (hpa_t)pool, sizeof(pool)};
    static bool built;

    if (built)
        return;
    built = true;
    assert_int_equal(stage2_init(&config), HV_OK);
    assert_int_equal(ipi_init(0), HV_OK);
}

static inline int setup_death(void **state)
{
    setup(state);
    vcpu_set_count(1);
    build_tables();
    catch_remove_all();
    ipi_add_cpu(v, AP_BOOTSTRAP);
    return 0;
}

#endif
