/* What went wrong, for every function that can fail and has more than one reason. */
#ifndef HV_STATUS_H
#define HV_STATUS_H

enum hv_status {
    HV_OK = 0,
    HV_EINVAL,  /* an argument makes no sense */
    HV_ENOTSUP, /* known, and not supported here */
    HV_ENOENT,  /* nothing there by that name, number or address */
    HV_ENOSPC,  /* a fixed table or buffer is full */
    HV_EFAULT,  /* the address is not mapped, or is not memory */
    HV_EBUSY,   /* not now */
};

#endif
