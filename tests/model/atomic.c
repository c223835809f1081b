#include "lib/atomic.h"

__attribute__((weak)) void model_atomic_point(void)
{
}
