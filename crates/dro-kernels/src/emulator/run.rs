//! One launch in a process of its own: a crash of a kernel is the failure of one test.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use candle_core::{Error, Result, bail};

use crate::launch::{BLOCK, Launch};

/// The result of `launch`.
pub(crate) fn run(launch: &Launch, inputs: &[&[f32]]) -> Result<Vec<f32>> {
    let mut child = Command::new(super::program()?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Error::wrap)?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may have ended before it read everything; what it says then tells more than the broken pipe.
        let _ = stdin.write_all(&encoded(launch, inputs)?);
    }
    let output = child.wait_with_output().map_err(Error::wrap)?;
    if !output.status.success() {
        bail!("{}: {}", launch.function, String::from_utf8_lossy(&output.stderr))
    }
    let numbers = output.stdout.chunks_exact(4);
    Ok(numbers.map(|bytes| f32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect())
}

/// What `main.cpp` reads.
fn encoded(launch: &Launch, inputs: &[&[f32]]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let int = |bytes: &mut Vec<u8>, value: usize| bytes.extend((value as i32).to_ne_bytes());
    let floats = |bytes: &mut Vec<u8>, values: &[f32]| {
        int(bytes, values.len());
        values.iter().for_each(|value| bytes.extend(value.to_ne_bytes()));
    };
    let name = format!("{}/{}", launch.module, launch.function);
    int(&mut bytes, name.len());
    bytes.extend(name.as_bytes());
    int(&mut bytes, inputs.len());
    inputs.iter().for_each(|input| floats(&mut bytes, input));
    // A number that the kernel leaves out stays NaN, and no comparison passes it.
    floats(&mut bytes, &vec![if launch.zeroed { 0.0 } else { f32::NAN }; launch.out_count()]);
    int(&mut bytes, launch.threads.div_ceil(BLOCK));
    int(&mut bytes, BLOCK);
    let lengths: Vec<usize> = inputs.iter().map(|input| input.len()).collect();
    let ints = launch.whole_numbers(&lengths)?;
    int(&mut bytes, ints.len());
    ints.iter().for_each(|value| bytes.extend(value.to_ne_bytes()));
    floats(&mut bytes, &launch.floats);
    Ok(bytes)
}
