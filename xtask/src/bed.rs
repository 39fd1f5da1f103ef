//! The test bed: a Docker and a Podman with an image each, and the addresses that tests find them by.

use std::{path::PathBuf, thread};

use crate::{
    engine::{Engine, Make},
    image,
    interrupt::Interrupt,
    packages, process, python,
    run::Run,
    senders, sweep,
};

/// The engine of each make that is always there. Tests share it, and must not stop it.
const SHARED: &str = "main";

/// A running test bed; dropping it removes it.
pub(crate) struct Bed {
    run: Run,
    stays: bool,
}

impl Bed {
    /// Installs what is missing, removes what killed runs left, and starts.
    pub(crate) fn start() -> Result<Self, String> {
        packages::install()?;
        python::install()?;
        sweep::abandoned(false);
        let bed = Self { run: Run::create()?, stays: false };
        for make in [Make::Docker, Make::Podman] {
            Engine::new(&bed.run, make, SHARED)?.start()?;
        }
        Ok(bed)
    }

    /// What tests are told, as environment variables.
    pub(crate) fn exports(&self) -> Result<Vec<(&'static str, String)>, String> {
        let program = |name: &str| packages::find(name).ok_or_else(|| format!("{name} is not there any more"));
        let text = |path: PathBuf| path.into_os_string().into_string().map_err(|_| "a path is not UTF-8".to_owned());
        let endpoint =
            |make| Ok::<_, String>(format!("unix://{}", text(Engine::new(&self.run, make, SHARED)?.socket())?));
        let own = std::env::current_exe().map_err(|error| format!("cannot find this program's own path: {error}"))?;
        let mut exports = vec![
            ("HOMEOSTAT_TEST_DIR", text(self.run.scratch())?),
            ("HOMEOSTAT_TEST_DOCKER", endpoint(Make::Docker)?),
            ("HOMEOSTAT_TEST_PODMAN", endpoint(Make::Podman)?),
            ("HOMEOSTAT_TEST_IMAGE", image::NAME.to_owned()),
            ("HOMEOSTAT_TEST_PROMETHEUS_BIN", text(program("prometheus")?)?),
            ("HOMEOSTAT_TEST_ALERTMANAGER_BIN", text(program("prometheus-alertmanager")?)?),
            ("HOMEOSTAT_TEST_NODE_EXPORTER_BIN", text(program("prometheus-node-exporter")?)?),
            ("HOMEOSTAT_TEST_REMOTE_WRITE_BIN", text(senders::remote_write()?)?),
            ("HOMEOSTAT_TEST_PYTHON", text(python::install()?)?),
            ("HOMEOSTAT_TEST_XTASK", text(own)?),
        ];
        if let Some(client) = packages::find("docker") {
            exports.push(("HOMEOSTAT_TEST_DOCKER_BIN", text(client)?));
        }
        Ok(exports)
    }

    fn print_exports(&self) -> Result<(), String> {
        for (name, value) in self.exports()? {
            println!("export {name}='{value}'");
        }
        Ok(())
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        for make in [Make::Docker, Make::Podman] {
            if let Ok(engine) = Engine::new(&self.run, make, SHARED) {
                engine.stop();
            }
        }
        sweep::remove(&self.run);
    }
}

/// `cargo xtask testbed`: starts it and keeps it until somebody interrupts.
pub(crate) fn foreground() -> Result<(), String> {
    let interrupt = Interrupt::install()?;
    let bed = Bed::start()?;
    bed.print_exports()?;
    eprintln!("xtask: the test bed is up; Ctrl-C ends it");
    while !interrupt.came() {
        thread::sleep(process::POLL);
    }
    Ok(())
}

/// `cargo xtask testbed --detach`: starts it and leaves it running.
pub(crate) fn detach() -> Result<(), String> {
    let mut bed = Bed::start()?;
    bed.print_exports()?;
    bed.run.detach()?;
    bed.stays = true;
    Ok(())
}

/// `cargo xtask testbed stop`: removes detached test beds and what killed runs left.
pub(crate) fn stop() -> Result<(), String> {
    sweep::abandoned(true);
    Ok(())
}

/// `cargo xtask engine MAKE NAME VERB`: an engine that one test has to itself. `start` prints its address.
pub(crate) fn engine(make: &str, name: &str, verb: &str) -> Result<(), String> {
    let scratch = std::env::var_os("HOMEOSTAT_TEST_DIR").map(PathBuf::from);
    let scratch = scratch.ok_or("HOMEOSTAT_TEST_DIR is not set; a test bed prints it: cargo xtask testbed")?;
    let dir = scratch.parent().ok_or("HOMEOSTAT_TEST_DIR is not the folder of a test bed")?;
    let run = Run::open(dir)?;
    let engine = Engine::new(&run, make.parse::<Make>()?, name)?;
    if name == SHARED {
        return Err(format!("the engine `{SHARED}` is shared by all tests; use another name"));
    }
    match verb {
        "start" => {
            engine.start()?;
            println!("unix://{}", engine.socket().display());
        }
        "kill" => engine.kill(),
        "stop" => engine.stop(),
        _ => return Err(format!("`{verb}` is nothing to do with an engine; start, kill and stop are")),
    }
    Ok(())
}
