/** assets/training/script_mode.py as a training job runs it, with the python3 of the machine and nothing installed. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, test } from 'node:test';

const program = join(import.meta.dirname, '../../assets/training/script_mode.py');
const hasPython = spawnSync('python3', ['--version']).status === 0;
const runMsMax = 60_000;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let ml = '';
const path = (...parts: string[]): string => join(ml, ...parts);

beforeEach(() => {
  ml = join(mkdtempSync(join(tmpdir(), 'penstock-script-mode-')), 'ml');
  for (const folder of ['input/config', 'code', 'output']) mkdirSync(path(folder), { recursive: true });
});
afterEach(() => rmSync(dirname(ml), { recursive: true, force: true }));

function write(name: string, content: string | object): void {
  mkdirSync(dirname(path(name)), { recursive: true });
  writeFileSync(path(name), typeof content === 'string' ? content : JSON.stringify(content));
}

/** As a job of SDK 2 gets them. */
function configure(hyperparameters: Readonly<Record<string, string>>): void {
  write('input/config/hyperparameters.json', hyperparameters);
  write('input/config/inputdataconfig.json', { train: { TrainingInputMode: 'File' }, test: { TrainingInputMode: 'File' } });
  write('input/config/resourceconfig.json', {
    current_host: 'algo-1',
    current_instance_type: 'ml.m5.large',
    current_group_name: 'homogeneousCluster',
    current_instance_group: 'homogeneousCluster',
    hosts: ['algo-1'],
    instance_groups: [{ instance_group_name: 'homogeneousCluster', instance_type: 'ml.m5.large', hosts: ['algo-1'] }],
    network_interface_name: 'lo',
  });
}

function start(variables: Readonly<Record<string, string>> = {}): ChildProcess {
  const environment = {
    PATH: process.env['PATH'] ?? '',
    HOME: path('../scratch'),
    PYTHONUNBUFFERED: '1',
    PYTHONDONTWRITEBYTECODE: '1',
    SAGEMAKER_BASE_DIR: ml,
    SM_NUM_CPUS: '2',
    ...variables,
  };
  return spawn('python3', [program], { env: environment, stdio: ['ignore', 'pipe', 'pipe'], timeout: runMsMax, detached: true });
}

async function ended(child: ChildProcess): Promise<Ended> {
  const closed = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout as never), text(child.stderr as never), closed]);
  return { code, stdout, stderr };
}

const run = (variables: Readonly<Record<string, string>> = {}): Promise<Ended> => ended(start(variables));
const failure = (): string => readFileSync(path('output/failure'), 'utf8');

interface ArchiveEntry {
  readonly name: string;
  readonly content?: string;
  readonly type?: 'link' | 'hard' | 'fifo' | 'device' | 'folder';
  readonly link?: string;
  /** The header claims this size in bytes; the content is missing. */
  readonly claims?: number;
}

/** A tar.gz of entries, made by Python so that names stay as they are. */
function archive(target: string, entries: readonly ArchiveEntry[]): void {
  const maker = `
import io, json, sys, tarfile
kinds = {"link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "fifo": tarfile.FIFOTYPE, "device": tarfile.CHRTYPE, "folder": tarfile.DIRTYPE}
with tarfile.open(sys.argv[1], "w:gz") as tar:
    for each in json.loads(sys.argv[2]):
        info = tarfile.TarInfo(each["name"])
        data = each.get("content", "").encode()
        info.type, info.linkname = kinds.get(each.get("type"), tarfile.REGTYPE), each.get("link", "")
        info.size = each.get("claims") or len(data) if info.type == tarfile.REGTYPE else 0
        tar.fileobj.write(info.tobuf()) if "claims" in each else tar.addfile(info, io.BytesIO(data))
`;
  const { status, stderr } = spawnSync('python3', ['-c', maker, target, JSON.stringify(entries)], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

const show = 'import json, os, sys\nprint(json.dumps({"argv": sys.argv, "env": dict(os.environ)}))\n';

describe('script mode', { skip: !hasPython && 'there is no python3', timeout: 120_000 }, () => {
  test('runs the script with its hyperparameters as arguments, and the variables of SageMaker', async () => {
    configure({
      lr: '0.1',
      n: '3',
      flag: 'true',
      name: '"x y"',
      plain: 'not json',
      layers: '[1, 2]',
      map: '{"b": 2, "a": 1}',
      nothing: 'null',
      sagemaker_program: '"train.py"',
      sagemaker_submit_directory: '"s3://cap2-b/job/source/sourcedir.tar.gz"',
      sagemaker_container_log_level: '20',
      sagemaker_job_name: '"job"',
      sagemaker_region: '"us-east-1"',
    });
    archive(path('code/sourcedir.tar.gz'), [
      { name: 'train.py', content: `from lib import helper\n${show}` },
      { name: 'lib/__init__.py', content: '' },
      { name: 'lib/helper.py', content: '' },
    ]);
    const { code, stdout, stderr } = await run();
    assert.equal(code, 0, stderr);
    const { argv, env } = JSON.parse(stdout) as { argv: string[]; env: Record<string, string> };
    const args = [
      '--flag',
      'True',
      '--layers',
      '[1, 2]',
      '--lr',
      '0.1',
      '--map',
      'a=1,b=2',
      '-n',
      '3',
      '--name',
      'x y',
      '--plain',
      'not json',
    ];
    assert.deepEqual(argv, ['train.py', ...args]);
    const variables = Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith('SM_')));
    const { SM_TRAINING_ENV: whole = '', ...others } = variables;
    const hps = { flag: true, layers: [1, 2], lr: 0.1, map: { a: 1, b: 2 }, n: 3, name: 'x y', nothing: null, plain: 'not json' };
    const group = { hosts: ['algo-1'], instance_group_name: 'homogeneousCluster', instance_type: 'ml.m5.large' };
    assert.deepEqual(others, {
      SM_MODEL_DIR: path('model'),
      SM_INPUT_DIR: path('input'),
      SM_INPUT_CONFIG_DIR: path('input/config'),
      SM_OUTPUT_DIR: path('output'),
      SM_OUTPUT_DATA_DIR: path('output/data'),
      SM_OUTPUT_INTERMEDIATE_DIR: path('output/intermediate'),
      SM_CHANNELS: '["test","train"]',
      SM_CHANNEL_TRAIN: path('input/data/train'),
      SM_CHANNEL_TEST: path('input/data/test'),
      SM_HPS: JSON.stringify(hps),
      SM_HP_LR: '0.1',
      SM_HP_N: '3',
      SM_HP_FLAG: 'true',
      SM_HP_NAME: 'x y',
      SM_HP_PLAIN: 'not json',
      SM_HP_LAYERS: '[1,2]',
      SM_HP_MAP: '{"a":1,"b":2}',
      SM_HP_NOTHING: 'null',
      SM_CURRENT_HOST: 'algo-1',
      SM_HOSTS: '["algo-1"]',
      SM_NETWORK_INTERFACE_NAME: 'lo',
      SM_CURRENT_INSTANCE_TYPE: 'ml.m5.large',
      SM_CURRENT_INSTANCE_GROUP: 'homogeneousCluster',
      SM_CURRENT_INSTANCE_GROUP_HOSTS: '["algo-1"]',
      SM_INSTANCE_GROUPS: '["homogeneousCluster"]',
      SM_INSTANCE_GROUPS_DICT: JSON.stringify({ homogeneousCluster: group }),
      SM_DISTRIBUTION_INSTANCE_GROUPS: '[]',
      SM_IS_HETERO: 'false',
      SM_NUM_CPUS: '2',
      SM_NUM_GPUS: '0',
      SM_NUM_NEURONS: '0',
      SM_LOG_LEVEL: '20',
      SM_MODULE_NAME: 'train',
      SM_MODULE_DIR: 's3://cap2-b/job/source/sourcedir.tar.gz',
      SM_USER_ENTRY_POINT: 'train.py',
      SM_FRAMEWORK_MODULE: '',
      SM_FRAMEWORK_PARAMS: '{}',
      SM_INPUT_DATA_CONFIG: '{"test":{"TrainingInputMode":"File"},"train":{"TrainingInputMode":"File"}}',
      SM_RESOURCE_CONFIG: variables['SM_RESOURCE_CONFIG'],
      SM_USER_ARGS: JSON.stringify(args),
    });
    const { hyperparameters, job_name: name, channel_input_dirs: channels, num_cpus: cpus } = JSON.parse(whole) as Record<string, unknown>;
    assert.deepEqual(
      [hyperparameters, name, channels, cpus],
      [hps, 'job', { train: path('input/data/train'), test: path('input/data/test') }, 2],
    );
    assert.equal(env['PYTHONPATH'], path('code'));
  });

  for (const [entry, file, content] of [
    ['run.sh', 'run.sh', 'echo "$0 $*"; pwd\n'],
    ['tool', 'tool.py', 'import os, sys\nprint(os.path.basename(sys.argv[0]), *sys.argv[1:])\nprint(os.getcwd())\n'],
    ['pack', 'pack/__main__.py', 'import os, sys\nprint("pack", *sys.argv[1:])\nprint(os.getcwd())\n'],
  ] as const) {
    test(`starts ${entry}, in the folder of the code`, async () => {
      configure({ sagemaker_program: entry, 'a name': '"it\'s"' });
      write(`code/${file}`, content);
      const { code, stdout, stderr } = await run();
      assert.equal(code, 0, stderr);
      const [line = '', folder] = stdout.trim().split('\n');
      assert.match(line, /--a name it's$/);
      assert.equal(folder, path('code'));
    });
  }

  test('takes the program from variables, and code from a folder or an archive of the job', async () => {
    configure({ sagemaker_submit_directory: path('input/data/code/sourcedir.tar.gz') });
    mkdirSync(path('input/data/code'), { recursive: true });
    archive(path('input/data/code/sourcedir.tar.gz'), [{ name: 'a.py', content: 'print("archive")' }]);
    assert.equal((await run({ SAGEMAKER_PROGRAM: 'a.py' })).stdout, 'archive\n');
    configure({ sagemaker_submit_directory: path('input/data/code') });
    write('input/data/code/b.py', 'print("folder")');
    assert.equal((await run({ SAGEMAKER_PROGRAM: 'b.py' })).stdout, 'folder\n');
  });

  describe('a script that fails', () => {
    test('is a reason with the last exception, its exit code and its command', async () => {
      configure({ sagemaker_program: 'train.py', lr: '0.1' });
      write('code/train.py', 'import sys\nprint("out")\ntry:\n    1 / 0\nexcept Exception as e:\n    raise ValueError("no rows") from e\n');
      const { code, stdout, stderr } = await run();
      assert.deepEqual([code, stdout], [1, 'out\n']);
      assert.match(stderr, /^Traceback[\s\S]*ValueError: no rows\n$/);
      const [first, exit, message, command] = failure().split('\n');
      assert.deepEqual([first, exit, message], ['ExecuteUserScriptError:', 'ExitCode 1', 'ErrorMessage "ValueError: no rows"']);
      assert.match(command ?? '', /^Command "\S+ train\.py --lr 0\.1"$/);
    });

    test('without a traceback is a reason with its last line', async () => {
      configure({ sagemaker_program: 'train.sh' });
      write('code/train.sh', 'echo first >&2; echo "disk is full" >&2; exit 7');
      assert.equal((await run()).code, 7);
      assert.match(failure(), /ExitCode 7\nErrorMessage "disk is full"\nCommand "\/bin\/sh -c \.\/train\.sh"$/);
    });

    test('by a signal is a reason with 128 and its number', async () => {
      configure({ sagemaker_program: 'train.py' });
      write('code/train.py', 'import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)');
      assert.equal((await run()).code, 139);
      assert.match(failure(), /ExitCode 139\nErrorMessage ""/);
    });

    test('keeps the reason that it wrote itself', async () => {
      configure({ sagemaker_program: 'train.py' });
      write('code/train.py', `open(${JSON.stringify(path('output/failure'))}, "w").write("my own words")\nraise SystemExit(3)`);
      assert.equal((await run()).code, 3);
      assert.equal(failure(), 'my own words');
    });
  });

  test('passes a large error output on, whole and in order', async () => {
    configure({ sagemaker_program: 'train.py' });
    write('code/train.py', 'import sys\nfor i in range(200000):\n    print("line", i, file=sys.stderr)\n');
    const { code, stderr } = await run();
    assert.equal(code, 0);
    assert.equal(stderr, Array.from({ length: 200_000 }, (_, i) => `line ${i}\n`).join(''));
  });

  test('ends what the script leaves running', async () => {
    configure({ sagemaker_program: 'train.py' });
    write('code/train.py', 'import subprocess\nprint(subprocess.Popen(["sleep", "600"]).pid)\n');
    const { code, stdout } = await run();
    assert.equal(code, 0);
    const stat = `/proc/${stdout.trim()}/stat`;
    assert(!existsSync(stat) || readFileSync(stat, 'utf8').includes(') Z '), 'its child still runs');
  });

  describe('a signal', () => {
    const lines = async function* (child: ChildProcess): AsyncGenerator<string> {
      let rest = '';
      for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
        rest += String(chunk);
        const whole = rest.split('\n');
        rest = whole.pop() ?? '';
        yield* whole;
      }
    };

    test('to the group or to the program reaches the script once, which then ends by itself', async () => {
      configure({ sagemaker_program: 'train.py' });
      const go = path('go');
      const handler = 'def stop(*_):\n    seen.append(1)\n    print("term")\nsignal.signal(signal.SIGTERM, stop)\nprint("ready")\n';
      const wait = `while not os.path.exists(${JSON.stringify(go)}):\n    time.sleep(0.01)\nprint("seen", len(seen))\nraise SystemExit(5)\n`;
      write('code/train.py', `import os, signal, time\nseen = []\n${handler}${wait}`);
      const child = start();
      const closed = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
      const printed: string[] = [];
      for await (const line of lines(child)) {
        printed.push(line);
        if (line === 'ready') process.kill(-(child.pid as number), 'SIGTERM');
        if (line === 'term') {
          child.kill('SIGTERM');
          writeFileSync(go, '');
        }
      }
      assert.deepEqual(printed, ['ready', 'term', 'seen 1']);
      assert.equal(await closed, 5);
      assert.equal(existsSync(path('output/failure')), false);
    });

    test('that ends the program also ends the script', async () => {
      configure({ sagemaker_program: 'train.py' });
      write('code/train.py', 'import os, time\nprint(os.getpid())\ntime.sleep(600)\n');
      const child = start();
      // The output ends once neither the program nor the script can write to it.
      let pid = '';
      for await (const line of lines(child)) {
        pid = line;
        child.kill('SIGKILL');
      }
      assert.match(pid, /^\d+$/);
    });
  });

  describe('code is rejected', () => {
    for (const [what, entries, message] of [
      ['a path upwards', [{ name: '../evil.py', content: 'x' }], /has the entry '\.\.\/evil\.py': expected files and folders inside/],
      ['an absolute path', [{ name: '/tmp/penstock-evil.py', content: 'x' }], /has the entry '\/tmp\/penstock-evil\.py'/],
      ['a device', [{ name: 'null', type: 'device' }], /has the entry 'null'/],
      ['a FIFO', [{ name: 'pipe', type: 'fifo' }], /has the entry 'pipe'/],
      ['a link outwards', [{ name: 'etc', type: 'link', link: '/etc' }], /has the entry 'etc'/],
      ['a hard link outwards', [{ name: 'passwd', type: 'hard', link: '../../etc/passwd' }], /has the entry 'passwd'/],
      [
        'a path through links that lead outwards together',
        [
          { name: 'x/y', type: 'folder' },
          { name: 'x/y/a', type: 'link', link: 'b/../..' },
          { name: 'x/y/b', type: 'link', link: '../..' },
          { name: 'x/y/a/evil.py', content: 'x' },
        ],
        /has the entry 'x\/y\/a\/evil\.py'/,
      ],
      ['more than a GiB', [{ name: 'bomb', claims: 2 ** 30 + 1 }], /unpacks to more than 100000 entries or 1024 MiB/],
    ] as const) {
      test(`with ${what}, before the script runs`, async () => {
        configure({ sagemaker_program: 'train.py' });
        archive(path('code/sourcedir.tar.gz'), [{ name: 'train.py', content: 'print("ran")' }, ...entries]);
        const { code, stdout, stderr } = await run();
        assert.deepEqual([code, stdout], [1, '']);
        assert.match(stderr, message);
        assert.match(failure(), /^ClientError: the source archive /);
        assert.deepEqual(
          readdirSync(dirname(ml)).filter((name) => name.includes('evil')),
          [],
        );
      });
    }

    test('that is damaged', async () => {
      configure({ sagemaker_program: 'train.py' });
      write('code/sourcedir.tar.gz', 'no archive');
      assert.equal((await run()).code, 1);
      assert.match(failure(), /^ClientError: /);
    });

    for (const [entry, message] of [
      ['train.py', "ClientError: the entry point 'train.py' is not a file of the source, which has other.py"],
      ['folder', "ClientError: the entry point 'folder' is not a file of the source, which has folder, other.py"],
      ['/bin/sh', "ClientError: the entry point '/bin/sh' is not a file of the source, which has other.py"],
      ['', 'ClientError: there is no entry point: expected the hyperparameter sagemaker_program'],
    ] as const) {
      test(`without the entry '${entry}'`, async () => {
        configure({ sagemaker_program: entry });
        write('code/other.py', '');
        if (entry === 'folder') mkdirSync(path('code/folder'));
        assert.equal((await run()).code, 1);
        assert.equal(failure(), message);
      });
    }

    test('that is nowhere', async () => {
      configure({ sagemaker_program: 'train.py', sagemaker_submit_directory: '/nowhere' });
      assert.equal((await run()).code, 1);
      assert.match(failure(), /^ClientError: sagemaker_submit_directory '\/nowhere' does not exist: expected s3:\/\//);
    });
  });

  test('keeps links inside the source', async () => {
    configure({ sagemaker_program: 'train.py' });
    archive(path('code/sourcedir.tar.gz'), [
      { name: 'real/data.txt', content: 'inside' },
      { name: 'link.txt', type: 'link', link: 'real/data.txt' },
      { name: 'train.py', content: 'print(open("link.txt").read())' },
    ]);
    assert.equal((await run()).stdout, 'inside\n');
  });

  describe('requirements', () => {
    test('are installed on top of the environment, which stays as it is', async () => {
      configure({ sagemaker_program: 'train.py' });
      const wheels = path('../wheels');
      mkdirSync(wheels);
      makeWheel(wheels);
      write('code/requirements.txt', `--no-index\n--find-links ${wheels}\npenstock-answer\n`);
      write('code/train.py', 'import penstock_answer, sys\nprint(penstock_answer.value, sys.prefix)\n');
      const { code, stdout, stderr } = await run();
      assert.equal(code, 0, stderr + stdout);
      assert.equal(stdout.trim().split('\n').at(-1), `42 ${path('../scratch/layer')}`);
    });

    test('that cannot be installed are a reason with the last line of pip', async () => {
      configure({ sagemaker_program: 'train.py' });
      write('code/requirements.txt', '--no-index\nno-such-package-of-penstock\n');
      write('code/train.py', 'print("ran")');
      const { code, stdout } = await run();
      assert.equal(code, 1);
      assert.doesNotMatch(stdout, /^ran$/m);
      assert.match(failure(), /^ClientError: requirements\.txt could not be installed: ERROR: .*no-such-package-of-penstock/);
    });

    test('are refused if the server says so', async () => {
      configure({ sagemaker_program: 'train.py' });
      write('code/requirements.txt', 'numpy\n');
      write('code/train.py', '');
      assert.equal((await run({ PENSTOCK_REQUIREMENTS: 'refuse' })).code, 1);
      assert.match(failure(), /^ClientError: requirements\.txt could not be installed: this server does not install packages for jobs$/);
    });
  });

  test('needs no file that the archive of the job does not have', async () => {
    configure({ sagemaker_program: 'train.py' });
    write('code/train.py', 'print("ran")');
    symlinkSync('/nowhere', path('code/broken'));
    assert.equal((await run()).stdout, 'ran\n');
  });
});

/** A wheel of one module. */
function makeWheel(folder: string): void {
  const maker = `
import sys, zipfile
info = "penstock_answer-1.0.dist-info"
with zipfile.ZipFile(sys.argv[1] + "/penstock_answer-1.0-py3-none-any.whl", "w") as wheel:
    wheel.writestr("penstock_answer.py", "value = 42")
    wheel.writestr(info + "/METADATA", "Metadata-Version: 2.1\\nName: penstock-answer\\nVersion: 1.0\\n")
    wheel.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr(info + "/RECORD", "penstock_answer.py,,\\n" + info + "/METADATA,,\\n" + info + "/WHEEL,,\\n" + info + "/RECORD,,\\n")
`;
  const { status, stderr } = spawnSync('python3', ['-c', maker, folder], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}
