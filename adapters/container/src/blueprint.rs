//! The description from which a container is made anew, taken from one that there is.

use std::collections::HashMap;

use bollard::models::{
    ContainerConfig, ContainerCreateBody, ContainerInspectResponse, EndpointSettings, HostConfig, ImageConfig,
    NetworkingConfig,
};
use homeostat_model::IdempotencyKey;

use crate::parts::{FROM_LABEL, RAN_LABEL, SHARED_LABEL, STEP_LABEL};

/// Length of the part of an engine's id that it gives a container as its host name, unless it was given one.
const SHORT_ID: usize = 12;

/// Networks that every engine has.
const EVERYWHERE: [&str; 4] = ["none", "host", "bridge", "default"];

/// What is needed to make a container like another one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Blueprint {
    pub(crate) body: ContainerCreateBody,
    /// The image's name as it was given, and the image that the container was made from.
    pub(crate) image: String,
    pub(crate) image_id: String,
}

impl Blueprint {
    /// Of the container that was inspected; `None` when the engine left out what no container is without.
    pub(crate) fn of(inspected: &ContainerInspectResponse) -> Option<Self> {
        let config = inspected.config.clone()?;
        let mut host = inspected.host_config.clone()?;
        let image = config.image.clone().filter(|image| !image.is_empty())?;
        let image_id = inspected.image.clone().unwrap_or_else(|| image.clone());
        let id = inspected.id.as_deref().unwrap_or_default();
        keep_volumes(inspected, &mut host);
        // An engine that gives one limit in two ways takes it in one.
        if host.cpu_quota.is_some_and(|quota| quota > 0) {
            host.nano_cpus = None;
        }
        // Podman gives them the kernel's names, and takes others.
        for ulimit in host.ulimits.iter_mut().flatten() {
            let short = ulimit.name.as_deref().and_then(|name| name.strip_prefix("RLIMIT_")).map(str::to_lowercase);
            ulimit.name = short.or(ulimit.name.take());
        }
        let own_name = |name: &String| *name != id.chars().take(SHORT_ID).collect::<String>();
        let ContainerConfig {
            hostname,
            domainname,
            user,
            attach_stdin,
            attach_stdout,
            attach_stderr,
            exposed_ports,
            tty,
            open_stdin,
            stdin_once,
            env,
            cmd,
            healthcheck,
            args_escaped,
            volumes,
            working_dir,
            entrypoint,
            network_disabled,
            on_build,
            labels,
            stop_signal,
            stop_timeout,
            shell,
            ..
        } = config;
        let body = ContainerCreateBody {
            hostname: hostname.filter(own_name),
            domainname,
            user,
            attach_stdin,
            attach_stdout,
            attach_stderr,
            exposed_ports,
            tty,
            open_stdin,
            stdin_once,
            env,
            cmd,
            healthcheck,
            args_escaped,
            image: Some(image.clone()),
            volumes,
            working_dir,
            entrypoint,
            network_disabled,
            on_build,
            labels,
            stop_signal,
            stop_timeout,
            shell,
            networking_config: networks(inspected, &host),
            host_config: Some(host),
        };
        Some(Self { body, image, image_id })
    }

    /// The same, made under `key` in place of the container with the engine's id `from`, which `ran` or did not.
    pub(crate) fn under(mut self, key: &IdempotencyKey, from: &str, ran: bool) -> Self {
        let labels = self.body.labels.get_or_insert_default();
        labels.insert(STEP_LABEL.into(), key.to_string());
        labels.insert(FROM_LABEL.into(), from.into());
        labels.insert(RAN_LABEL.into(), ran.to_string());
        self
    }

    /// The same without what the container has from its image, whose own description is `image`: it gets that of the image that
    /// it is made from.
    pub(crate) fn without(mut self, image: ImageConfig) -> Self {
        let body = &mut self.body;
        // An entry point of one's own leaves nothing of the image's command.
        if unlike(&mut body.entrypoint, image.entrypoint) {
            unlike(&mut body.cmd, image.cmd);
        }
        unlike(&mut body.user, image.user);
        unlike(&mut body.working_dir, image.working_dir);
        unlike(&mut body.healthcheck, image.healthcheck);
        unlike(&mut body.stop_signal, image.stop_signal);
        unlike(&mut body.shell, image.shell);
        for (own, images) in [
            (&mut body.env, image.env),
            (&mut body.exposed_ports, image.exposed_ports),
            (&mut body.volumes, image.volumes),
            (&mut body.on_build, image.on_build),
        ] {
            let images = images.unwrap_or_default();
            own.iter_mut().for_each(|own| own.retain(|one| !images.contains(one)));
        }
        let labels = image.labels.unwrap_or_default();
        body.labels.iter_mut().for_each(|own| own.retain(|name, value| labels.get(name) != Some(value)));
        self
    }

    /// The same, from another image.
    pub(crate) fn with_image(mut self, image: &str) -> Self {
        self.body.image = Some(image.into());
        self
    }

    /// Whether the engine removes it by itself when it ends.
    pub(crate) fn goes_when_it_ends(&self) -> bool {
        self.body.host_config.as_ref().and_then(|host| host.auto_remove).unwrap_or(false)
    }

    /// What keeps it from being made on another host; `None` when nothing is known to.
    pub(crate) fn bound_to_host(&self, inspected: &ContainerInspectResponse) -> Option<String> {
        let host = self.body.host_config.as_ref()?;
        let shared = self.body.labels.as_ref().and_then(|labels| labels.get(SHARED_LABEL));
        if shared.map(String::as_str) != Some("true") {
            let mounts = inspected.mounts.iter().flatten();
            let stays = mounts.filter(|mount| mount.typ.as_deref() != Some("tmpfs"));
            let places: Vec<&str> = stays.filter_map(|mount| mount.destination.as_deref()).collect();
            if !places.is_empty() {
                let places = places.join(", ");
                return Some(format!(
                    "what is mounted at {places} stays on its host; where it is the same on every host, \
                     label the container {SHARED_LABEL}=true"
                ));
            }
        }
        let tied = [
            ("--volumes-from", host.volumes_from.as_ref().is_some_and(|list| !list.is_empty())),
            ("--link", host.links.as_ref().is_some_and(|list| !list.is_empty())),
            ("--device", host.devices.as_ref().is_some_and(|list| !list.is_empty())),
            ("--network container:", host.network_mode.as_deref().is_some_and(|mode| mode.starts_with("container:"))),
        ];
        tied.iter().find(|(_, is)| *is).map(|(option, _)| format!("it is tied to its host by `{option}`"))
    }

    /// The networks that have to be there where it is made.
    pub(crate) fn needs_networks(&self) -> Vec<&str> {
        let named = self.body.networking_config.iter().flat_map(|config| config.endpoints_config.iter().flatten());
        named.map(|(name, _)| name.as_str()).filter(|name| !EVERYWHERE.contains(name)).collect()
    }
}

/// Takes `own` away if it is as the image has it; whether nothing of one's own is left.
fn unlike<T: PartialEq>(own: &mut Option<T>, images: Option<T>) -> bool {
    if *own == images {
        *own = None;
    }
    own.is_none()
}

/// Volumes without a name of their own are bound by the name that the engine gave them, so that they are not made anew.
fn keep_volumes(inspected: &ContainerInspectResponse, host: &mut HostConfig) {
    let mentioned = |destination: &str, host: &HostConfig| {
        let bound = host.binds.iter().flatten().any(|bind| bind.split(':').nth(1) == Some(destination));
        bound || host.mounts.iter().flatten().any(|mount| mount.target.as_deref() == Some(destination))
    };
    for mount in inspected.mounts.iter().flatten() {
        let (Some(name), Some(destination)) = (&mount.name, &mount.destination) else { continue };
        if mount.typ.as_deref() == Some("volume") && !mentioned(destination, host) {
            host.binds.get_or_insert_default().push(format!("{name}:{destination}"));
        }
    }
}

/// The networks it is on, with what was asked for and without what the engine chose.
fn networks(inspected: &ContainerInspectResponse, host: &HostConfig) -> Option<NetworkingConfig> {
    if host.network_mode.as_deref().is_some_and(|mode| mode == "none" || mode == "host" || mode.contains(':')) {
        return None;
    }
    let id = inspected.id.as_deref().unwrap_or_default();
    let networks = inspected.network_settings.as_ref()?.networks.as_ref()?;
    let asked = |settings: &EndpointSettings| EndpointSettings {
        ipam_config: settings.ipam_config.clone(),
        links: settings.links.clone(),
        // The engine adds the short id.
        aliases: settings
            .aliases
            .clone()
            .map(|aliases| aliases.into_iter().filter(|alias| !id.starts_with(alias.as_str())).collect()),
        driver_opts: settings.driver_opts.clone(),
        ..EndpointSettings::default()
    };
    let endpoints: HashMap<String, EndpointSettings> =
        networks.iter().map(|(name, settings)| (name.clone(), asked(settings))).collect();
    (!endpoints.is_empty()).then_some(NetworkingConfig { endpoints_config: Some(endpoints) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspected(json: &str) -> ContainerInspectResponse {
        serde_json::from_str(json).unwrap()
    }

    const WEB: &str = r#"{"Id": "0123456789abcdef", "Image": "sha256:1", "Name": "/web",
        "Config": {"Hostname": "0123456789ab", "Image": "web:1", "Cmd": ["serve"], "Env": ["A=1"], "Labels": {"tier": "web"}},
        "HostConfig": {"Binds": ["data:/data"], "NanoCpus": 500000000, "CpuQuota": 50000, "NetworkMode": "shop",
            "Ulimits": [{"Name": "RLIMIT_NOFILE", "Soft": 1, "Hard": 2}]},
        "NetworkSettings": {"Networks": {"shop": {"Aliases": ["web", "0123456789ab"], "IPAddress": "10.0.0.7"}}},
        "Mounts": [{"Type": "volume", "Name": "data", "Destination": "/data"},
                   {"Type": "volume", "Name": "f00d", "Destination": "/cache"}]}"#;

    #[test]
    fn a_container_is_made_anew_as_it_was_asked_for() {
        let blueprint = Blueprint::of(&inspected(WEB)).unwrap();
        let body = &blueprint.body;
        let host = body.host_config.as_ref().unwrap();
        assert_eq!((blueprint.image.as_str(), blueprint.image_id.as_str()), ("web:1", "sha256:1"));
        assert_eq!((body.hostname.as_deref(), body.cmd.as_deref()), (None, Some(&["serve".to_owned()][..])));
        assert_eq!(host.binds.as_deref(), Some(&["data:/data".to_owned(), "f00d:/cache".to_owned()][..]));
        assert_eq!((host.nano_cpus, host.cpu_quota), (None, Some(50000)));
        assert_eq!(host.ulimits.as_ref().unwrap()[0].name.as_deref(), Some("nofile"));
        let networks = body.networking_config.as_ref().unwrap().endpoints_config.as_ref().unwrap();
        assert_eq!(networks["shop"].aliases.as_deref(), Some(&["web".to_owned()][..]));
        assert_eq!(networks["shop"].ip_address, None);
        assert_eq!(blueprint.needs_networks(), ["shop"]);
    }

    #[test]
    fn what_comes_from_the_image_is_left_to_the_image() {
        for (own, image, left) in [
            (
                r#""Env": ["PATH=/bin", "A=1"], "Cmd": ["serve"], "WorkingDir": "/app", "Labels": {"v": "1", "tier": "web"}"#,
                r#""Env": ["PATH=/bin", "V=1"], "Cmd": ["serve"], "WorkingDir": "/app", "Labels": {"v": "1"}"#,
                r#""Env": ["A=1"], "Labels": {"tier": "web"}"#,
            ),
            // Of a command that was given, only the entry point is the image's.
            (
                r#""Entrypoint": ["/start"], "Cmd": ["mine"], "User": "me""#,
                r#""Entrypoint": ["/start"], "Cmd": ["serve"], "User": "app""#,
                r#""Cmd": ["mine"], "User": "me""#,
            ),
            // With an entry point that was given, nothing of the image's command is heard.
            (
                r#""Entrypoint": ["/mine"], "Cmd": ["serve"], "StopSignal": "SIGHUP", "ExposedPorts": {"80/tcp": {}}"#,
                r#""Entrypoint": ["/start"], "Cmd": ["serve"], "StopSignal": "SIGHUP", "ExposedPorts": {"80/tcp": {}}"#,
                r#""Entrypoint": ["/mine"], "Cmd": ["serve"], "ExposedPorts": {}"#,
            ),
        ] {
            let of = |config: &str| {
                let json = format!(r#"{{"Config": {{"Image": "web:1", {config}}}, "HostConfig": {{}}}}"#);
                Blueprint::of(&inspected(&json)).unwrap()
            };
            let image = serde_json::from_str(&format!("{{{image}}}")).unwrap();
            assert_eq!(of(own).without(image).body, of(left).body, "{own}");
        }
    }

    #[test]
    fn what_keeps_it_on_its_host_is_said() {
        for (what, json, reason) in [
            ("volumes", WEB.to_owned(), Some("what is mounted at /data, /cache stays on its host")),
            ("shared volumes", WEB.replace(r#""tier": "web""#, r#""homeostat.shared-volumes": "true""#), None),
            (
                "a tmpfs",
                r#"{"Config": {"Image": "a"}, "HostConfig": {}, "Mounts": [{"Type": "tmpfs", "Destination": "/t"}]}"#
                    .into(),
                None,
            ),
            (
                "another's network",
                r#"{"Config": {"Image": "a"}, "HostConfig": {"NetworkMode": "container:b"}}"#.into(),
                Some("tied to its host by `--network container:`"),
            ),
        ] {
            let inspected = inspected(&json);
            let found = Blueprint::of(&inspected).unwrap().bound_to_host(&inspected);
            match (&found, reason) {
                (None, None) => {}
                (Some(found), Some(reason)) => assert!(found.contains(reason), "{what}: {found}"),
                _ => panic!("{what}: {found:?}, wanted {reason:?}"),
            }
        }
    }
}
