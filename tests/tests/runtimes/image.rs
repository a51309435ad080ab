//! What containers are made of: a folder with one program, and an image of it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that ends at no time of its own, with the libraries that it needs.
pub(crate) const COMMAND: [&str; 2] = ["/bin/sleep", "1000000"];
/// The name of the image. The host says that nobody looks for it in a registry.
pub(crate) const NAME: &str = "localhost/ringfence/sleep:1";

const ROOT: &str = r#"
set -e
mkdir "$0" && cd "$0"
mkdir bin dev etc proc run sys tmp
cp "$(command -v sleep)" bin
ldd bin/sleep | grep -o '/[^ ]*' | xargs cp -L --parents -t .
"#;

/// The format that `docker save` writes and every runtime reads.
const IMAGE: &str = r#"
set -e
cd "$0"
tar -C "$1" -cf layer.tar .
digest=$(sha256sum layer.tar | cut -d ' ' -f 1)
cat >config.json <<JSON
{
  "architecture": "$(dpkg --print-architecture)",
  "os": "linux",
  "config": {"Cmd": ["$3", "$4"], "Env": ["PATH=/bin"]},
  "rootfs": {"type": "layers", "diff_ids": ["sha256:$digest"]}
}
JSON
printf '[{"Config": "config.json", "RepoTags": ["%s"], "Layers": ["layer.tar"]}]' "$2" >manifest.json
tar -cf image.tar config.json layer.tar manifest.json
"#;

/// Makes the folder that is a container's root.
pub(crate) fn root(folder: &Path) -> PathBuf {
    let root = folder.join("root");
    shell(ROOT, &[root.to_str().unwrap()]);
    root
}

/// Makes the image as a file.
pub(crate) fn image(folder: &Path) -> PathBuf {
    let root = root(folder);
    let [program, argument] = COMMAND;
    shell(IMAGE, &[folder.to_str().unwrap(), root.to_str().unwrap(), NAME, program, argument]);
    folder.join("image.tar")
}

fn shell(script: &str, arguments: &[&str]) {
    let output = Command::new("sh").args(["-c", script]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
