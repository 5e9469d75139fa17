#!/usr/bin/env python3
"""Libraries to link a CUDA build against where there is no driver, from the declarations in cudarc's own sources.

    cuda-stubs.py CUDARC_SOURCE FOLDER

Every function exists and returns an error. The names that the built program asks for at run time are those of the real
libraries, so it finds the real ones on a machine that has them.
"""

import pathlib
import re
import subprocess
import sys

# cudarc's module: name to link, name at run time, what every function returns.
LIBRARIES = {
    "driver": ("cuda", "libcuda.so.1", 34),  # CUDA_ERROR_STUB_LIBRARY
    "nvrtc": ("nvrtc", "libnvrtc.so.13", 7),
    "curand": ("curand", "libcurand.so.10", 203),
    "cublas": ("cublas", "libcublas.so.13", 1),
    "cublaslt": ("cublasLt", "libcublasLt.so.13", 1),
    "cudnn": ("cudnn", "libcudnn.so.9", 1001),
}


def main():
    source, folder = (pathlib.Path(argument) for argument in sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    for module, (name, at_run_time, code) in LIBRARIES.items():
        text = (source / "src" / module / "sys" / "mod.rs").read_text()
        functions = sorted(set(re.findall(r'extern "C" \{\s*fn (\w+)\(', text)))
        if not functions:
            sys.exit(f"{source}: expected declarations of {module}, found none")
        program = "\n".join(f"int {function}(void) {{ return {code}; }}" for function in functions)
        command = ["cc", "-w", "-shared", "-fPIC", "-x", "c", f"-Wl,-soname,{at_run_time}", "-o"]
        subprocess.run([*command, str(folder / f"lib{name}.so"), "-"], input=program, text=True, check=True)
        link = folder / at_run_time
        link.unlink(missing_ok=True)
        link.symlink_to(f"lib{name}.so")


main()
