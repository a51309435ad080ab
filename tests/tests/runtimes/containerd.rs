//! The runtime containerd, with all that it keeps in a folder of its own.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ipam_tests::binaries::binary;
use ipam_tests::stage::upper_plugin;
use serde_json::Value;
use tempfile::TempDir;

use crate::cri::Cri;
use crate::image;

/// It needs a third of a second where nothing else goes on.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// A running containerd, killed when dropped.
#[derive(Debug)]
pub(crate) struct Containerd {
    folder: TempDir,
    child: Child,
}

impl Containerd {
    /// Starts it with a list of plugins for every pod; beside the list's upper plugin and ours it finds what is in
    /// `plugins`, each a name and a script.
    pub(crate) fn start(conflist: &Value, plugins: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::write(path.join("config.toml"), config(path)).unwrap();
        fs::create_dir(path.join("net.d")).unwrap();
        fs::write(path.join("net.d/pods.conflist"), conflist.to_string()).unwrap();
        plugin_folder(path, plugins);
        let containerd = Self { child: spawn(path), folder };
        containerd.await_ready();
        containerd.import(&image::image(containerd.folder.path()));
        containerd
    }

    pub(crate) fn cri(&self) -> Cri {
        Cri::new(&socket(self.folder.path()))
    }

    /// Kills it, as the kernel does when memory runs out; its containers and the plugins that it called go on.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again after it was killed, with what it wrote down.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.folder.path());
        self.await_ready();
    }

    fn await_ready(&self) {
        let start = Instant::now();
        while let Err(problem) = self.cri().status() {
            assert!(start.elapsed() < PATIENCE, "containerd: {problem}\n{}", self.log());
            sleep(POLL);
        }
    }

    fn import(&self, image: &Path) {
        let output = Command::new("ctr")
            .arg("--address")
            .arg(socket(self.folder.path()))
            .args(["--namespace", "k8s.io", "images", "import"])
            .arg(image)
            .output()
            .expect("ctr of containerd is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the log of containerd:\n{}", self.log());
        }
    }
}

fn spawn(folder: &Path) -> Child {
    let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
    Command::new("containerd")
        .arg("--config")
        .arg(folder.join("config.toml"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .expect("containerd is installed")
}

/// Fills the folder where containerd looks for plugins; it needs `loopback` itself.
fn plugin_folder(folder: &Path, scripts: &[(&str, &str)]) {
    let bin = folder.join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(binary("ringfence-ipam"), bin.join("ringfence-ipam")).unwrap();
    for name in ["loopback", "ptp"] {
        symlink(upper_plugin(name), bin.join(name)).unwrap();
    }
    for (name, script) in scripts {
        let path = bin.join(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("containerd.sock")
}

/// Without `restrict_oom_score_adj` no container starts where root may not lower that score, and with AppArmor a profile
/// would stay loaded.
fn config(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        r#"
version = 2
root = "{folder}/lib"
state = "{folder}/run"
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{image}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{folder}/bin"
    conf_dir = "{folder}/net.d"
"#,
        image = image::NAME
    )
}
