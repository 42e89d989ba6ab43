/** Writes wheels, which are zip archives, so that tests need no package registry. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

export interface TestWheel {
  readonly name: string;
  readonly version: string;
  /** `leaf>=1` */
  readonly requires?: readonly string[];
  /** Further files by their path in the wheel. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Writes a pure Python wheel with a module of its name and a script `NAME-run`. */
export function writeWheel(folder: string, { name, version, requires = [], files = {} }: TestWheel): void {
  mkdirSync(folder, { recursive: true });
  const info = `${name}-${version}.dist-info`;
  const content: Record<string, string> = {
    [`${name}/__init__.py`]: `VERSION = "${version}"\n\ndef main():\n    print("${name}", VERSION)\n`,
    [`${info}/METADATA`]: [
      'Metadata-Version: 2.1',
      `Name: ${name}`,
      `Version: ${version}`,
      ...requires.map((each) => `Requires-Dist: ${each}`),
      '',
    ].join('\n'),
    [`${info}/WHEEL`]: 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    [`${info}/entry_points.txt`]: `[console_scripts]\n${name}-run = ${name}:main\n`,
    ...files,
  };
  const record = [...Object.keys(content), `${info}/RECORD`].map((path) => `${path},,\n`).join('');
  writeFileSync(join(folder, `${name}-${version}-py3-none-any.whl`), storedZip({ ...content, [`${info}/RECORD`]: record }));
}

/** A zip archive without compression. */
function storedZip(files: Readonly<Record<string, string>>): Buffer {
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const [path, text] of Object.entries(files)) {
    const [name, data] = [Buffer.from(path), Buffer.from(text)];
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0); // version
    fields.writeUInt16LE(0x21, 8); // date: 1980-01-01
    fields.writeUInt32LE(crc32(data), 10);
    fields.writeUInt32LE(data.length, 14);
    fields.writeUInt32LE(data.length, 18);
    fields.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), fields, name, data]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((0o100644 << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    central.push(Buffer.from('PK\x01\x02\x14\x03', 'latin1'), fields, tail, name);
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(18);
  const count = Object.keys(files).length;
  end.writeUInt16LE(count, 4);
  end.writeUInt16LE(count, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...locals, directory, Buffer.from('PK\x05\x06', 'latin1'), end]);
}
