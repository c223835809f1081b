/*
 * A hardware task switch that the processor left to us: VT-x exits for each of them, SVM does them.
 * SDM vol. 3, chapter "Task Management", "Task Switching".
 */
#ifndef CORE_TASK_SWITCH_H
#define CORE_TASK_SWITCH_H

#include "core/handle.h"

/*
 * Does what the exit (HV_EXIT_TASK_SWITCH) says, for v->event where an event went through a task
 * gate. CORE_DONE: the guest is in the new task; CORE_RAISED: v->event holds an exception, of the
 * old task before anything is changed, of the new one after that.
 */
enum core_result task_switch(struct vcpu *v, const struct hv_exit *exit);

#endif
