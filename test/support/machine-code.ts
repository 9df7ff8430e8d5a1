import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { addon } from './addon-package.js'

// Files of machine code that do not load, made of the addon or by the C compiler.

/** The addon with some bytes replaced. */
export function patched(path: string, at: number, bytes: readonly number[]): string {
  const file = readFileSync(addon)
  file.set(bytes, at)
  writeFileSync(path, file)
  return path
}

/** The addon for another processor: its number stands at byte 18 of the ELF header. */
export function forMachine(path: string, machine: number): string {
  return patched(path, 18, [machine & 255, machine >> 8])
}

/** The first bytes of the addon. */
export function cutOff(path: string, length: number): string {
  writeFileSync(path, readFileSync(addon).subarray(0, length))
  return path
}

/** Compiles a C source to a shared object. */
export function sharedObject(path: string, source: string, options: readonly string[] = []): string {
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-x', 'c', '-o', path, '-', ...options], { input: source })
  return path
}

/** A library that an addon is linked with in place of the C library. */
export interface StubLibrary {
  readonly soname: string
  /** The version of its function `future`, if that has one. */
  readonly version?: string
}

/** An addon that calls the function `future` of a library that exists while it is linked, and not when it is loaded. */
export function linkedWith(path: string, { soname, version }: StubLibrary): string {
  const library = `${path}.stub.so`
  const script = `${path}.map`
  writeFileSync(script, `${version ?? 'STUB_1'} { global: future; };\n`)
  try {
    const named = [`-Wl,-soname,${soname}`, ...(version === undefined ? [] : [`-Wl,--version-script,${script}`])]
    sharedObject(library, 'int future(void) { return 1; }', ['-nostdlib', ...named])
    const source =
      'int future(void); void* napi_register_module_v1(void* env, void* exports) { future(); return exports; }'
    return sharedObject(path, source, ['-nostdlib', '-x', 'none', library])
  } finally {
    rmSync(library, { force: true })
    rmSync(script, { force: true })
  }
}

/** An addon that registers itself, with `version` if there is one. */
export function strangeAddon(path: string, version?: string): string {
  const body =
    version === undefined
      ? ''
      : `void* text; napi_create_string_utf8(env, "${version}", ${version.length}, &text);
         napi_set_named_property(env, exports, "version", text);`
  return sharedObject(
    path,
    `int napi_create_string_utf8(void*, const char*, unsigned long, void**);
     int napi_set_named_property(void*, void*, const char*, void*);
     void* napi_register_module_v1(void* env, void* exports) { ${body} return exports; }`,
  )
}
