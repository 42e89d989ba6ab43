/**
 * The contract of SageMaker's training containers: the files below `/opt/ml/input/config` and the environment variables of every script. Pure.
 * The SDK's own scripts require even those members of resourceconfig.json that look redundant.
 */
import { jobKindOf, jobNameOf } from '../job-kind.ts';
import { mlFolder, type TrainingSpec } from '../spec.ts';

/** Where the script finds its files. */
export interface ContractPlace {
  /** The script's path of `/opt/ml`: this path, or the folder of the job on machines that cannot bind it. */
  readonly ml: string;
}

/** What a script finds out about its job and its server. */
export interface ContractFacts extends ContractPlace {
  readonly arn: string;
  readonly region: string;
  /** `bin` of the Python environment; null: none. */
  readonly environmentBin: string | null;
  /** The address of this server with a key for the job; null: the job has no network. */
  readonly server: { readonly url: string; readonly keyId: string; readonly secret: string; readonly token: string | null } | null;
  /** Whether script mode installs the packages that a source requires. */
  readonly installsRequirements: boolean;
}

const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const host = 'algo-1';
const instanceGroup = 'homogeneousCluster';

/** Contents by the path below the job's `ml` folder. */
export function contractFiles(spec: TrainingSpec, place: Pick<ContractPlace, 'ml'>): Readonly<Record<string, string>> {
  const { instanceType, channels } = spec;
  const hyperparameters = mapValues({ ...scriptOf(spec), ...spec.hyperparameters }, (value) => atPlace(value, place.ml));
  const inputs = channels.map(({ name, contentType, recordWrapper, distribution }) => {
    const type = contentType === null ? {} : { ContentType: contentType };
    const rest = { TrainingInputMode: 'File', S3DistributionType: distribution, RecordWrapperType: recordWrapper };
    return [name, { ...type, ...rest }] as const;
  });
  return {
    'input/config/hyperparameters.json': JSON.stringify(hyperparameters),
    'input/config/inputdataconfig.json': JSON.stringify(Object.fromEntries(inputs)),
    'input/config/resourceconfig.json': JSON.stringify(resourcesOf(instanceType)),
  };
}

function resourcesOf(instanceType: string) {
  return {
    current_host: host,
    current_instance_type: instanceType,
    current_group_name: instanceGroup,
    current_instance_group: instanceGroup,
    hosts: [host],
    instance_groups: [{ instance_group_name: instanceGroup, instance_type: instanceType, hosts: [host] }],
    network_interface_name: 'lo',
  };
}

/** The files of a processing job, whose script reads the request of CreateProcessingJob. */
export function processingFiles(
  { name, instanceType }: TrainingSpec,
  request: Readonly<Record<string, unknown>>,
  { ml, arn }: Pick<ContractFacts, 'ml' | 'arn'>,
): Readonly<Record<string, string>> {
  const config = { ProcessingJobArn: arn, ...request, ProcessingJobName: jobNameOf(name) };
  return {
    'config/processingjobconfig.json': atPlace(JSON.stringify(config), ml),
    'config/resourceconfig.json': JSON.stringify(resourcesOf(instanceType)),
  };
}

/** What script mode reads, for a job that names the entry of an uploaded source. */
function scriptOf({ entry, name }: TrainingSpec): Record<string, string> {
  if (entry === null) return {};
  return { sagemaker_program: JSON.stringify(entry), sagemaker_job_name: JSON.stringify(name) };
}

/** Folders below `ml` that a script can write to. */
export const contractFolders = ['input/config', 'input/data', 'model', 'output/data', 'checkpoints', 'code'] as const;

/** The environment variables of a job's process, without those that every task gets. The spec overrides them, except for settings of the operator. */
export function contractVariables(spec: TrainingSpec, facts: ContractFacts): Record<string, string> {
  const { ml, arn, region, environmentBin, server, installsRequirements } = facts;
  const own = mapValues(spec.environmentVariables, (value) => atPlace(value, ml));
  return {
    ...(jobKindOf(spec.name) === 'processing' ? {} : { TRAINING_JOB_NAME: spec.name, TRAINING_JOB_ARN: arn }),
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    PYTHONUNBUFFERED: '1',
    PYTHONDONTWRITEBYTECODE: '1',
    LANG: 'C.UTF-8',
    PATH: environmentBin === null ? systemPath : `${environmentBin}:${systemPath}`,
    ...(ml === mlFolder ? {} : { SAGEMAKER_BASE_DIR: ml }),
    ...(server === null ? {} : serverVariables(server)),
    ...own,
    ...(installsRequirements ? {} : { PENSTOCK_REQUIREMENTS: 'refuse' }),
  };
}

function serverVariables({ url, keyId, secret, token }: NonNullable<ContractFacts['server']>): Record<string, string> {
  const session = token === null ? {} : { AWS_SESSION_TOKEN: token };
  return { AWS_ENDPOINT_URL: url, AWS_ACCESS_KEY_ID: keyId, AWS_SECRET_ACCESS_KEY: secret, ...session };
}

/** The arguments of the command as the script's process sees them. */
export function contractCommand(command: readonly string[], place: Pick<ContractPlace, 'ml'>): string[] {
  return command.map((word) => atPlace(word, place.ml));
}

/** Replaces `/opt/ml` by the job's own folder on machines that cannot bind it. */
export function atPlace(text: string, ml: string): string {
  return ml === mlFolder ? text : text.replaceAll(/\/opt\/ml(?![\w.-])/g, () => ml);
}

function mapValues(record: Readonly<Record<string, string>>, map: (value: string) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)] as const));
}
