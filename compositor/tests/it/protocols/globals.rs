//! Which protocols are offered, and to whom.

use std::os::{
    fd::AsFd,
    unix::net::{UnixListener, UnixStream},
};

use wayland_client::delegate_noop;
use wayland_protocols::wp::security_context::v1::client::{
    wp_security_context_manager_v1::WpSecurityContextManagerV1,
    wp_security_context_v1::WpSecurityContextV1,
};

use crate::fixture::{Client, Events, Fixture};

delegate_noop!(Events: ignore WpSecurityContextManagerV1);
delegate_noop!(Events: ignore WpSecurityContextV1);

/// What every client sees, and the least version.
const FOR_ALL: &[(&str, u32)] = &[
    ("ext_idle_notifier_v1", 2),
    ("org_kde_kwin_server_decoration_manager", 1),
    ("wl_compositor", 6),
    ("wl_data_device_manager", 3),
    ("wl_output", 4),
    ("wl_seat", 9),
    ("wl_shm", 1),
    ("wl_subcompositor", 1),
    ("wp_alpha_modifier_v1", 1),
    ("wp_commit_timing_manager_v1", 1),
    ("wp_content_type_manager_v1", 1),
    ("wp_cursor_shape_manager_v1", 1),
    ("wp_fifo_manager_v1", 1),
    ("wp_fractional_scale_manager_v1", 1),
    ("wp_presentation", 1),
    ("wp_single_pixel_buffer_manager_v1", 1),
    ("wp_viewporter", 1),
    ("xdg_activation_v1", 1),
    ("xdg_system_bell_v1", 1),
    ("xdg_toplevel_icon_manager_v1", 1),
    ("xdg_wm_base", 6),
    ("xdg_wm_dialog_v1", 1),
    ("zwp_idle_inhibit_manager_v1", 1),
    ("zwp_keyboard_shortcuts_inhibit_manager_v1", 1),
    ("zwp_pointer_constraints_v1", 1),
    ("zwp_pointer_gestures_v1", 3),
    ("zwp_primary_selection_device_manager_v1", 1),
    ("zwp_relative_pointer_manager_v1", 1),
    ("zwp_tablet_manager_v2", 1),
    ("zwp_text_input_manager_v3", 1),
    ("zxdg_decoration_manager_v1", 1),
    ("zxdg_exporter_v2", 1),
    ("zxdg_importer_v2", 1),
    ("zxdg_output_manager_v1", 3),
];

/// What a program in a sandbox does not see.
const PRIVILEGED: &[(&str, u32)] = &[
    ("ext_data_control_manager_v1", 1),
    ("ext_foreign_toplevel_list_v1", 1),
    ("ext_foreign_toplevel_image_capture_source_manager_v1", 1),
    ("ext_image_copy_capture_manager_v1", 1),
    ("ext_output_image_capture_source_manager_v1", 1),
    ("wp_security_context_manager_v1", 1),
    ("zwlr_data_control_manager_v1", 2),
    ("zwlr_layer_shell_v1", 4),
    ("zwlr_gamma_control_manager_v1", 1),
    ("zwlr_output_power_manager_v1", 1),
    ("zwlr_virtual_pointer_manager_v1", 2),
    ("zwp_input_method_manager_v2", 1),
    ("zwp_virtual_keyboard_manager_v1", 1),
];

/// Only over the private socket.
const TRUSTED: &[(&str, u32)] = &[("ext_session_lock_manager_v1", 1)];

fn missing(client: &Client, wanted: &[(&'static str, u32)]) -> Vec<String> {
    let offered = |name: &str| client.offered(name).unwrap_or(0);
    let short = wanted
        .iter()
        .filter(|(name, version)| offered(name) < *version);
    short
        .map(|(name, _)| format!("{name} {}", offered(name)))
        .collect()
}

fn seen(client: &Client, names: &[(&'static str, u32)]) -> Vec<&'static str> {
    let names = names.iter().map(|(name, _)| *name);
    names
        .filter(|name| client.offered(name).is_some())
        .collect()
}

/// A client in a sandbox that `engine` made.
pub(crate) fn sandboxed(f: &mut Fixture, engine: &mut Client) -> (Client, std::io::PipeWriter) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let (closed, open) = std::io::pipe().unwrap();
    let manager: WpSecurityContextManagerV1 = engine.bind();
    let context = manager.create_listener(listener.as_fd(), closed.as_fd(), &engine.qh, ());
    context.set_sandbox_engine("test.engine".into());
    context.set_app_id("test.app".into());
    context.commit();
    f.roundtrip(engine);
    let client = f.client_over(UnixStream::connect(&path).unwrap());
    (client, open)
}

#[test]
fn what_a_desktop_needs_is_offered_in_the_versions_it_needs() {
    let mut f = Fixture::new();
    let client = f.client();
    assert_eq!(missing(&client, FOR_ALL), [""; 0]);
    assert_eq!(missing(&client, PRIVILEGED), [""; 0]);
    assert_eq!(seen(&client, TRUSTED), [""; 0]);
    let trusted = f.trusted_client();
    assert_eq!(missing(&trusted, FOR_ALL), [""; 0]);
    assert_eq!(missing(&trusted, PRIVILEGED), [""; 0]);
    assert_eq!(missing(&trusted, TRUSTED), [""; 0]);
}

#[test]
fn a_sandboxed_program_sees_nothing_that_reaches_beyond_its_windows() {
    let mut f = Fixture::new();
    let mut engine = f.client();
    let (mut client, _open) = sandboxed(&mut f, &mut engine);
    assert_eq!(missing(&client, FOR_ALL), [""; 0]);
    assert_eq!(seen(&client, PRIVILEGED), [""; 0]);
    assert_eq!(seen(&client, TRUSTED), [""; 0]);
    // It is a client like any other otherwise.
    f.window(&mut client, "boxed", (300, 200), 0);
    assert_eq!(f.titles(), "boxed*@1");
}

#[test]
fn the_sandbox_of_a_trusted_program_is_not_trusted() {
    let mut f = Fixture::new();
    let mut engine = f.trusted_client();
    let (client, _open) = sandboxed(&mut f, &mut engine);
    assert_eq!(seen(&client, TRUSTED), [""; 0]);
    assert_eq!(seen(&client, PRIVILEGED), [""; 0]);
}

#[test]
fn a_sandbox_with_a_socket_that_is_none_harms_nobody() {
    let mut f = Fixture::new();
    let mut engine = f.client();
    // A connected socket does not listen, so that accepting on it fails.
    let (socket, mut other) = UnixStream::pair().unwrap();
    let (closed, _open) = std::io::pipe().unwrap();
    let manager: WpSecurityContextManagerV1 = engine.bind();
    let context = manager.create_listener(socket.as_fd(), closed.as_fd(), &engine.qh, ());
    context.commit();
    f.roundtrip(&mut engine);
    std::io::Write::write_all(&mut other, b"x").unwrap();
    f.roundtrip(&mut engine);
    f.window(&mut engine, "alive", (300, 200), 0);
    assert_eq!(f.titles(), "alive*@1");
}
