/**
 * The root folder of workers in namespaces: folders and empty files onto which those of the host are mounted. All workers share
 * it read-only; only the mounts differ. Each server creates it once, so starting a worker creates nothing.
 */
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { deviceNames, type HostFile, type HostFiles, isWithin } from './host-files.ts';
import type { FolderNames } from './worker-folder.ts';

/** SageMaker's containers have their model at the path of `work`, so paths hard-coded for them work here too. */
export const namespaceNames: FolderNames = { input: '/penstock/in', work: '/opt/ml', temporary: '/tmp' };
/** As workers in namespaces see it. */
export const socketFolder = '/penstock/socket';
/** As workers in namespaces see it. */
export const compileCacheFolder = '/penstock/compile-cache';
/** Folders of a fork server, with an entry per worker. Its workers do not see them. */
export const forkFolders = { inputs: '/penstock/inputs', own: '/penstock/own', memory: '/penstock/memory' } as const;

const inner = 'r';

/** A folder of the host at a path of the worker. */
export interface MountedFolder {
  /** On the host. */
  readonly source: string;
  /** For the worker. */
  readonly path: string;
  readonly isReadOnly: boolean;
}

/** Where the root is, and what is mounted onto it. */
export interface RootOptions {
  /** Belongs to this server; replaced if it exists. */
  readonly path: string;
  readonly host: HostFiles;
  /** Paths that are never visible, even if a parent folder is. */
  readonly hidden: readonly string[];
}

/** Holds no file of its own: what a worker can read is what is mounted. */
export class RootFolder {
  readonly path: string;
  readonly #host: HostFiles;
  readonly #hidden: readonly string[];

  constructor({ path, host, hidden }: RootOptions) {
    this.path = path;
    this.#host = host;
    this.#hidden = hidden;
    rmSync(path, { recursive: true, force: true });
    this.#makeFolder('');
    const { input, work, temporary } = namespaceNames;
    const own = [input, work, temporary, socketFolder, compileCacheFolder, ...Object.values(forkFolders)];
    for (const folder of ['/old', '/proc', '/dev/shm', '/run', '/var', ...own]) this.#makeFolder(join(inner, folder));
    for (const name of deviceNames) this.#makeFile(join(inner, 'dev', name));
    for (const file of host.files) this.#makeTarget(file);
    for (const { path: at, to } of host.links) this.#link(join(inner, at), to);
    this.#link(join(inner, 'var/tmp'), '/tmp');
    this.#link(join(inner, 'dev/fd'), '/proc/self/fd');
    // Programs of the host still run after `pivot_root`, before the worker is confined to the inner folder.
    for (const name of ['usr', 'bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32', 'nix', 'gnu', 'etc', 'proc', 'dev']) {
      this.#link(name, join(inner, name));
    }
  }

  /** The mounts of one worker, in the format of fstab(5). `extra`: further host files and folders that it can read. */
  mounts(folders: readonly MountedFolder[], extra: readonly HostFile[], sharedMemoryMiB = 256): string {
    // Folders inside of a hidden one, such as environments in the data directory, are mounted after it was hidden.
    const nested = extra.filter(({ path }) => this.#hidden.some((folder) => path.startsWith(`${folder}/`)));
    const added = extra.filter((file) => !nested.includes(file) && !isWithin(this.#host.files, file.path));
    const seen = [...this.#host.files, ...added];
    const shown = nested.filter(({ path }) => !this.#hidden.some((folder) => isWithin(seen, folder) && path.startsWith(`${folder}/`)));
    for (const file of [...added, ...shown]) this.#makeTarget(file);
    const hidden = this.#hidden.filter((path) => isWithin(seen, path));
    // The worker's own /tmp would cover what is mounted below it, such as an installation in /tmp. So that is mounted last, onto targets
    // made there. The folder is new and no code of the worker has run, so it holds no links.
    const isCovered = (path: string): boolean => path.startsWith(`${namespaceNames.temporary}/`);
    const visibleAt = [...seen, ...shown];
    const covered = visibleAt.filter(({ path }) => isCovered(path));
    const own = folders.find(({ path }) => path === namespaceNames.temporary);
    if (own !== undefined) for (const file of covered) makeTarget(own.source, relative(namespaceNames.temporary, file.path), file.isFolder);
    const visible = ({ source, path, isOptional }: HostFile): string =>
      line(source, this.#at(path), 'none', `rbind,ro${isOptional ? ',nofail' : ''}`);
    const hide = (path: string): readonly string[] => this.#hide(path, nested, visible);
    const lines = [
      line(this.path, this.path, 'none', 'bind,ro'),
      ...visibleAt.filter(({ path }) => !isCovered(path)).map(visible),
      ...hidden.filter((path) => !isCovered(path)).flatMap(hide),
      ...deviceNames.map((name) => line(`/dev/${name}`, this.#at(`/dev/${name}`), 'none', 'bind')),
      line('tmpfs', this.#at('/dev/shm'), 'tmpfs', `nosuid,nodev,mode=1777,size=${sharedMemoryMiB}m`),
      line('proc', this.#at('/proc'), 'proc', 'nosuid,nodev,noexec'),
      ...folders.map(({ source, path, isReadOnly }) => line(source, this.#at(path), 'none', `bind${isReadOnly ? ',ro' : ''}`)),
      ...covered.map(visible),
      ...hidden.filter(isCovered).flatMap(hide),
    ];
    return `${lines.join('\n')}\n`;
  }

  /** Covers a folder with one that holds nothing but the mount points of these files. */
  #hide(folder: string, files: readonly HostFile[], visible: (file: HostFile) => string): readonly string[] {
    const inside = files.filter(({ path }) => path.startsWith(`${folder}/`));
    if (inside.length === 0) return [line('tmpfs', this.#at(folder), 'tmpfs', 'ro,mode=755,size=4k')];
    const cover = join('covers', createHash('sha256').update(folder).digest('hex'));
    for (const { path, isFolder } of inside) makeTarget(this.path, join(cover, relative(folder, path)), isFolder);
    return [line(join(this.path, cover), this.#at(folder), 'none', 'bind,ro'), ...inside.map(visible)];
  }

  #at(path: string): string {
    return join(this.path, inner, path);
  }

  #makeTarget({ path, isFolder }: HostFile): void {
    makeTarget(this.path, join(inner, path), isFolder);
  }

  #makeFolder(path: string): void {
    makeTarget(this.path, path, true);
  }

  #makeFile(path: string): void {
    makeTarget(this.path, path, false);
  }

  #link(path: string, to: string): void {
    const at = join(this.path, path);
    if (!existsSync(at)) symlinkSync(to, at);
  }
}

/** Makes a folder or an empty file below `base`, with its parents. Every user can enter them, regardless of the server's umask. */
function makeTarget(base: string, path: string, isFolder: boolean): void {
  const at = join(base, path);
  if (existsSync(at)) return;
  if (path !== '') makeTarget(base, dirname(path) === '.' ? '' : dirname(path), true);
  if (!isFolder) return writeFileSync(at, '');
  mkdirSync(at, { recursive: true });
  chmodSync(at, 0o755);
}

function line(source: string, target: string, type: string, options: string): string {
  return [escaped(source), escaped(target), type, options, '0 0'].join(' ');
}

/** Escaped for fstab(5). */
function escaped(path: string): string {
  return path.replace(/[\\ \t\n]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`);
}
