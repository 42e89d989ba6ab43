/** Kills the server at moments of an execution of a pipeline of the AWS API: the next one continues it, and each step has exactly one job. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import {
  CreatePipelineCommand,
  DescribePipelineExecutionCommand,
  ListModelPackagesCommand,
  ListPipelineExecutionStepsCommand,
  ListTrainingJobsCommand,
  SageMakerClient,
  StartPipelineExecutionCommand,
} from '@aws-sdk/client-sagemaker';
import { SeededRandom } from '../../src/random.ts';
import { modelPath } from '../models/index.ts';
import { until } from './poll.ts';
import { Server, temporaryDirectory } from './server.ts';

const RoleArn = 'arn:aws:iam::000000000000:role/any';
const killsCount = 6;

/** A step that trains for a second and prints its process id. */
const training = (Name: string, more: object = {}) => ({
  Name,
  Type: 'Training',
  Arguments: {
    AlgorithmSpecification: {
      TrainingImage: 'penstock/python:default',
      TrainingInputMode: 'File',
      ContainerEntrypoint: ['/bin/sh', '-c', 'echo pid $$; sleep 1; cp /opt/ml/input/data/model/* /opt/ml/model/'],
    },
    InputDataConfig: [
      {
        ChannelName: 'model',
        DataSource: { S3DataSource: { S3DataType: 'S3Prefix', S3Uri: 's3://killed/model/', S3DataDistributionType: 'FullyReplicated' } },
      },
    ],
    RoleArn,
    OutputDataConfig: { S3OutputPath: 's3://killed/trained' },
    ResourceConfig: { InstanceType: 'local.1', InstanceCount: 1, VolumeSizeInGB: 1 },
    StoppingCondition: { MaxRuntimeInSeconds: 300 },
  },
  ...more,
});
const register = {
  Name: 'Register',
  Type: 'RegisterModel',
  Arguments: {
    ModelPackageGroupName: 'killed',
    InferenceSpecification: {
      Containers: [{ Image: 'penstock/onnx', ModelDataUrl: { Get: 'Steps.Third.ModelArtifacts.S3ModelArtifacts' } }],
      SupportedContentTypes: ['text/csv'],
      SupportedResponseMIMETypes: ['text/csv'],
    },
  },
};
const steps = [training('First'), training('Second', { DependsOn: ['First'] }), training('Third', { DependsOn: ['Second'] }), register];

test('an execution of a pipeline survives kill -9 of its server at any moment', { timeout: 240_000 }, async () => {
  const dataDir = temporaryDirectory();
  const random = new SeededRandom(23);
  const [accessKeyId, secretAccessKey] = await (async () => {
    const server = await Server.start({ dataDir });
    await server.end();
    return server.adminKey.split(':') as [string, string];
  })();
  const options = (server: Server) => ({
    endpoint: server.url,
    region: 'us-east-1',
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 1,
  });
  let arn = '';
  const start = async (server: Server): Promise<void> => {
    const s3 = new S3Client({ ...options(server), forcePathStyle: true });
    const sagemaker = new SageMakerClient(options(server));
    try {
      await s3.send(new CreateBucketCommand({ Bucket: 'killed' }));
      const Body = readFileSync(modelPath('digits_mlp'));
      await s3.send(new PutObjectCommand({ Bucket: 'killed', Key: 'model/model.onnx', Body }));
      const PipelineDefinition = JSON.stringify({ Version: '2020-12-01', Steps: steps });
      const ClientRequestToken = 'k'.repeat(32);
      await sagemaker.send(new CreatePipelineCommand({ PipelineName: 'killed', PipelineDefinition, RoleArn, ClientRequestToken }));
      const started = await sagemaker.send(new StartPipelineExecutionCommand({ PipelineName: 'killed', ClientRequestToken }));
      arn = started.PipelineExecutionArn ?? '';
    } finally {
      s3.destroy();
      sagemaker.destroy();
    }
  };
  for (let kill = 0; kill < killsCount; kill++) {
    const server = await Server.start({ dataDir });
    if (kill === 0) await start(server);
    await new Promise((resolve) => setTimeout(resolve, random.next() * 1000));
    server.signal('SIGKILL');
    await server.end();
  }
  const server = await Server.start({ dataDir });
  const sagemaker = new SageMakerClient(options(server));
  try {
    const status = await until(
      'the execution is over',
      async () => {
        const { PipelineExecutionStatus } = await sagemaker.send(new DescribePipelineExecutionCommand({ PipelineExecutionArn: arn }));
        return PipelineExecutionStatus !== 'Executing' && PipelineExecutionStatus;
      },
      120_000,
    );
    const listed = await sagemaker.send(new ListPipelineExecutionStepsCommand({ PipelineExecutionArn: arn, SortOrder: 'Ascending' }));
    const shown = listed.PipelineExecutionSteps?.map(({ StepName, StepStatus, FailureReason }) => [StepName, StepStatus, FailureReason]);
    assert.deepEqual(
      [status, shown],
      ['Succeeded', ['First', 'Second', 'Third', 'Register'].map((name) => [name, 'Succeeded', undefined])],
    );
    const jobs = await sagemaker.send(new ListTrainingJobsCommand({ MaxResults: 100 }));
    const names = jobs.TrainingJobSummaries?.map(({ TrainingJobName }) => TrainingJobName ?? '') ?? [];
    const ofSteps = listed.PipelineExecutionSteps?.flatMap(({ Metadata }) => Metadata?.TrainingJob?.Arn?.split('/').at(-1) ?? []);
    assert.deepEqual(names.map((name) => name.toLowerCase()).toSorted(), ofSteps?.toSorted());
    for (const name of names) {
      const { items } = await server.callWell<{ items: { line: string }[] }>('GET', `/training-jobs/${name}/logs`);
      assert.equal(items.length, 1, `${name} ran ${items.length} times`);
    }
    const packages = await sagemaker.send(new ListModelPackagesCommand({ ModelPackageGroupName: 'killed' }));
    assert.equal(packages.ModelPackageSummaryList?.length, 1);
  } finally {
    sagemaker.destroy();
    await server.end();
    rmSync(dataDir, { recursive: true });
  }
});
