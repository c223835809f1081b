#include "boot/console.h"

#include "drivers/serial/ns16550.h"
#include "drivers/vga/framebuffer.h"
#include "drivers/vga/text.h"
#include "lib/log.h"

static struct ns16550 serial;
static log_sink_fn screen_sink;

static void serial_write(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\n')
            ns16550_put(&serial, '\r');
        ns16550_put(&serial, (uint8_t)text[i]);
    }
}

static void open_serial(const struct boot_console *console)
{
    struct ns16550_place at = ns16550_at_port(console->port);

    if (ns16550_init(&serial, &at, 115200, NS16550_CLOCK_HZ) == HV_OK)
        log_add_sink(serial_write);
}

static void open_screen(const struct boot_framebuffer *s)
{
    if (s->kind == BOOT_SCREEN_RGB && s->address < 1ULL << 32) {
        struct framebuffer_mode mode = {.width = s->width,
                                        .height = s->height,
                                        .pitch = s->pitch,
                                        .bits_per_pixel = s->bits_per_pixel,
                                        .red = {s->red_position, s->red_size},
                                        .green = {s->green_position, s->green_size},
                                        .blue = {s->blue_position, s->blue_size}};
        if (framebuffer_init((volatile uint8_t *)s->address, &mode) == HV_OK)
            screen_sink = framebuffer_write;
    } else if (s->kind == BOOT_SCREEN_TEXT) {
        volatile uint16_t *cells = (volatile uint16_t *)s->address;
        if (vga_text_init(cells, s->width, s->height, VGA_TEXT_CLEAR) == HV_OK)
            screen_sink = vga_text_write;
    }
    if (screen_sink)
        log_add_sink(screen_sink);
}

void console_open(const struct boot_console *console, const struct boot_framebuffer *screen)
{
    switch (console->kind) {
    case BOOT_CONSOLE_VGA:
        open_screen(screen);
        break;
    case BOOT_CONSOLE_COM:
        open_serial(console);
        break;
    case BOOT_CONSOLE_NONE:
        break;
    }
}

void console_change_screen(const struct boot_framebuffer *screen)
{
    if (!screen_sink)
        return;
    console_leave_screen();
    open_screen(screen);
}

void console_leave_screen(void)
{
    if (screen_sink)
        log_remove_sink(screen_sink);
    screen_sink = NULL;
}
