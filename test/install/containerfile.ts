/** Runs the steps of a Containerfile in folders, by chroot: as much of the format as Containerfile uses. Needs root. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, globSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** What a container engine starts, and in what. */
export interface Image {
  readonly root: string;
  readonly user: string;
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly healthcheck: readonly string[];
  readonly volumes: readonly string[];
}

export interface Build {
  /** The folder that COPY reads from. */
  readonly context: string;
  /** Where the stages get their root folders. */
  readonly folder: string;
  /** Fills the folder with the files of a base image. */
  readonly base: (image: string, root: string) => void;
  /** Of each RUN, beside what ENV sets: proxies, certificates, the package registry. */
  readonly env: Readonly<Record<string, string>>;
}

interface Stage {
  readonly root: string;
  readonly env: Record<string, string>;
  user: string;
  folder: string;
  entrypoint: readonly string[];
  command: readonly string[];
  healthcheck: readonly string[];
  volumes: readonly string[];
}

/** `RUN` and its text for each instruction; lines that end in a backslash continue. */
function instructionsOf(text: string): { readonly word: string; readonly rest: string }[] {
  const lines = text.replaceAll('\\\n', ' ').split('\n');
  return lines
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => ({ word: line.slice(0, line.indexOf(' ')), rest: line.slice(line.indexOf(' ') + 1).trim() }));
}

const execForm = (text: string): string[] => JSON.parse(text) as string[];

/**
 * The arguments of `unshare` for a command in a root folder, with the /proc and /dev that every container has. The mounts end with the
 * command, which keeps the process id of `unshare`.
 */
export function inRoot(root: string, user: string, command: readonly string[]): string[] {
  const script =
    'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && user=$1 && shift && exec /usr/sbin/chroot --userspec="$user" "$0" "$@"';
  return ['--mount', '--propagation', 'private', '/bin/sh', '-c', script, root, user, ...command];
}

export function runIn(root: string, env: Readonly<Record<string, string>>, script: string): void {
  const args = inRoot(root, 'root', ['/bin/sh', '-c', script]);
  const { status, stdout, stderr } = spawnSync('unshare', args, { env: { ...env }, encoding: 'utf8' });
  assert.equal(status, 0, `${script}: ${stderr}${stdout}`);
}

function copy(build: Build, stages: ReadonlyMap<string, Stage>, stage: Stage, rest: string): void {
  const [, from, source = '', target = ''] = /^(?:--from=(\S+) )?(\S+) (\S+)$/.exec(rest) ?? [];
  const origin = from === undefined ? build.context : stages.get(from)?.root;
  assert(origin !== undefined && source !== '', `COPY ${rest}: unknown stage or form`);
  for (const path of globSync(source, { cwd: origin }).concat(source.startsWith('/') ? [source] : [])) {
    mkdirSync(join(stage.root, target), { recursive: true });
    cpSync(join(origin, path), join(stage.root, target), { recursive: true, verbatimSymlinks: true });
  }
}

/** Runs all instructions. An instruction that is not known throws, so that none is skipped silently. */
export function buildImage(file: string, build: Build): Image {
  const stages = new Map<string, Stage>();
  let stage: Stage | null = null;
  for (const { word, rest } of instructionsOf(readFileSync(file, 'utf8'))) {
    if (word === 'FROM') {
      const [, image = '', name = 'final'] = /^(\S+)(?: AS (\S+))?$/.exec(rest) ?? [];
      const root = join(build.folder, name);
      mkdirSync(root, { recursive: true });
      build.base(image, root);
      const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
      stage = { root, env: { PATH: path }, user: 'root', folder: '/', entrypoint: [], command: [], healthcheck: [], volumes: [] };
      stages.set(name, stage);
      continue;
    }
    assert(stage !== null, `${basename(file)} does not begin with FROM`);
    switch (word) {
      case 'RUN':
        runIn(stage.root, { ...build.env, ...stage.env }, `cd ${stage.folder} && ${rest}`);
        break;
      case 'COPY':
        copy(build, stages, stage, rest);
        break;
      case 'ENV': {
        const [, name = '', value = ''] = /^(\w+)=(\S+)$/.exec(rest) ?? [];
        stage.env[name] = value;
        break;
      }
      case 'USER':
        stage.user = rest;
        break;
      case 'WORKDIR':
        stage.folder = rest;
        break;
      case 'VOLUME':
        stage.volumes = [...stage.volumes, rest];
        break;
      case 'ENTRYPOINT':
        stage.entrypoint = execForm(rest);
        break;
      case 'CMD':
        stage.command = execForm(rest);
        break;
      case 'HEALTHCHECK':
        stage.healthcheck = execForm(rest.slice(rest.indexOf('[')));
        break;
      case 'EXPOSE':
        break;
      default:
        throw new Error(`${basename(file)}: ${word} is not known to test/install/containerfile.ts`);
    }
  }
  assert(stage !== null);
  return stage;
}
