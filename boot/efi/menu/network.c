#include "boot/efi/menu/network.h"

#include "lib/string.h"

/* The server that told of the boot file: the last one of these that has answered. */
static void find_server(const EFI_PXE_BASE_CODE_MODE *mode, EFI_IP_ADDRESS *server)
{
    const EFI_PXE_BASE_CODE_PACKET *packet = &mode->DhcpAck;

    if (mode->PxeReplyReceived)
        packet = &mode->PxeReply;
    else if (mode->ProxyOfferReceived)
        packet = &mode->ProxyOffer;
    memset(server, 0, sizeof(*server));
    memcpy(&server->v4, packet->Dhcpv4.BootpSiAddr, sizeof(server->v4));
}

EFI_STATUS network_read(EFI_BOOT_SERVICES *services, EFI_HANDLE card, const char *name,
                        void **bytes, UINTN *size)
{
    static EFI_GUID pxe_guid = EFI_PXE_BASE_CODE_PROTOCOL_GUID;
    EFI_PXE_BASE_CODE_PROTOCOL *pxe;
    EFI_IP_ADDRESS server;
    UINT64 length = 0;
    void *interface;
    EFI_STATUS status;

    status = services->HandleProtocol(card, &pxe_guid, &interface);
    if (EFI_ERROR(status))
        return EFI_UNSUPPORTED;
    pxe = interface;
    if (pxe->Mode->UsingIpv6)
        return EFI_UNSUPPORTED;
    find_server(pxe->Mode, &server);
    status = pxe->Mtftp(pxe, EFI_PXE_BASE_CODE_TFTP_GET_FILE_SIZE, NULL, FALSE, &length, NULL,
                        &server, (UINT8 *)name, NULL, FALSE);
    if (EFI_ERROR(status))
        return status;
    status = services->AllocatePool(EfiLoaderData, length, bytes);
    if (EFI_ERROR(status))
        return status;
    status = pxe->Mtftp(pxe, EFI_PXE_BASE_CODE_TFTP_READ_FILE, *bytes, FALSE, &length, NULL,
                        &server, (UINT8 *)name, NULL, FALSE);
    if (EFI_ERROR(status))
        services->FreePool(*bytes);
    *size = length;
    return status;
}
