//! Videos, decoded by the program `ffmpeg`.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::{
    folder,
    sequence::{Frame, OpenOptions},
};
use crate::{Error, Result};

const VIDEO_ENDINGS: [&str; 16] = [
    "mp4", "m4v", "mov", "mkv", "avi", "webm", "mpg", "mpeg", "wmv", "flv", "ts", "mts", "m2ts", "3gp",
    "ogv", "gif",
];

/// Whether a file is named like a video.
pub(super) fn is_video_name(path: &Path) -> bool {
    folder::ends_with_one_of(path, &VIDEO_ENDINGS)
}

/// Decodes the frames that `options` ask for into a folder that is removed when it is dropped. `ffmpeg` is looked for
/// in `search_path` (the form of the variable PATH).
pub(super) fn open(
    input: &Path,
    options: &OpenOptions,
    search_path: &OsStr,
) -> Result<(TempDir, Vec<Frame>)> {
    let ffmpeg = find_program("ffmpeg", search_path).ok_or_else(|| {
        Error::input(
            input,
            "the program ffmpeg on PATH to decode a video (install it with \"apt install ffmpeg\", \"brew install \
             ffmpeg\" or \"winget install ffmpeg\", or extract the frames to a folder of images yourself)",
            "no such program",
        )
    })?;
    if !input.is_file() {
        return Err(Error::input(input, "a video file", "a folder"));
    }
    // Absolute, so that ffmpeg reads neither an option nor a protocol into the name.
    let video = std::path::absolute(input).map_err(Error::io(input))?;
    let folder =
        tempfile::Builder::new().prefix("dro-frames-").tempdir().map_err(Error::io(std::env::temp_dir()))?;
    let output = command(&ffmpeg, &video, options)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io(&ffmpeg))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim();
    if !output.status.success() {
        return Err(Error::input(
            input,
            "a video that ffmpeg can decode",
            format!("{}: {said}", output.status),
        ));
    }
    if !said.is_empty() {
        tracing::warn!("{}: ffmpeg says: {said}", input.display());
    }
    let images = folder::list(folder.path())?.files;
    if images.is_empty() {
        return Err(Error::input(input, "a video with the frames asked for", format!("no frame {said}")));
    }
    let stem = folder::stem(input);
    let frames = images.into_iter().enumerate().map(|(index, image)| Frame {
        name: format!("{stem}_{:06}", options.start + index * options.stride),
        ..Frame::of_image(image)
    });
    Ok((folder, frames.collect()))
}

fn command(ffmpeg: &Path, video: &Path, options: &OpenOptions) -> Command {
    let mut command = Command::new(ffmpeg);
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-i"]).arg(video);
    let OpenOptions { start, stride, max_frames, .. } = *options;
    if start > 0 || stride > 1 {
        command.args(["-vf", &format!(r"select=gte(n\,{start})*not(mod(n-{start}\,{stride}))")]);
    }
    if let Some(most) = max_frames {
        command.args(["-frames:v", &most.to_string()]);
    }
    // Every decoded frame once, whatever its time.
    command.args(["-vsync", "0", "%06d.png"]);
    command
}

/// The first file of that name (with the system's ending for programs) in the folders of `search_path`.
fn find_program(name: &str, search_path: &OsStr) -> Option<PathBuf> {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(search_path).map(|folder| folder.join(&file)).find(|path| path.is_file())
}
