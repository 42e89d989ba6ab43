/** Tuning jobs, processing jobs and executions of SageMaker pipelines in the browser. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import {
  CreatePipelineCommand,
  CreateProcessingJobCommand,
  SageMakerClient,
  StartPipelineExecutionCommand,
} from '@aws-sdk/client-sagemaker';
import type { PipelineExecutionBody, ProcessingJobBody, TuningJobBody } from '../../src/api/index.ts';
import { until } from '../end-to-end/poll.ts';
import { modelPath } from '../models/index.ts';
import { Console, noBrowser } from './browser.ts';

const RoleArn = 'arn:aws:iam::000000000000:role/any';
const resources = { InstanceType: 'ml.m5.large', InstanceCount: 1, VolumeSizeInGB: 1 } as const;
const readX = String.raw`x=$(sed 's/.*"x": *"\([^"]*\)".*/\1/' /opt/ml/input/config/hyperparameters.json); echo "loss=$x"; sleep 0.3`;
const steps = [
  {
    Name: 'Train',
    Type: 'Training',
    Arguments: {
      AlgorithmSpecification: {
        TrainingImage: 'penstock/python:default',
        TrainingInputMode: 'File',
        ContainerEntrypoint: ['/bin/sh', '-c', 'echo accuracy=0.95; cp /opt/ml/input/data/model/* /opt/ml/model/'],
      },
      InputDataConfig: [
        {
          ChannelName: 'model',
          DataSource: { S3DataSource: { S3DataType: 'S3Prefix', S3Uri: 's3://team/model/', S3DataDistributionType: 'FullyReplicated' } },
        },
      ],
      RoleArn,
      OutputDataConfig: { S3OutputPath: 's3://team/trained' },
      ResourceConfig: resources,
      StoppingCondition: { MaxRuntimeInSeconds: 300 },
    },
  },
  {
    Name: 'Good',
    Type: 'Condition',
    DependsOn: ['Train'],
    Arguments: {
      Conditions: [{ Type: 'GreaterThanOrEqualTo', LeftValue: 0.95, RightValue: { Get: 'Parameters.Least' } }],
      IfSteps: [
        {
          Name: 'Register',
          Type: 'RegisterModel',
          Arguments: {
            ModelPackageGroupName: 'piped',
            InferenceSpecification: {
              Containers: [{ Image: 'penstock/onnx', ModelDataUrl: { Get: 'Steps.Train.ModelArtifacts.S3ModelArtifacts' } }],
              SupportedContentTypes: ['text/csv'],
              SupportedResponseMIMETypes: ['text/csv'],
            },
          },
        },
      ],
      ElseSteps: [
        {
          Name: 'TooBad',
          Type: 'Fail',
          Arguments: { ErrorMessage: { 'Std:Join': { On: ' ', Values: ['accuracy below', { Get: 'Parameters.Least' }] } } },
        },
      ],
    },
  },
];

describe('tuning, processing and SageMaker pipelines', { skip: noBrowser, timeout: 240_000 }, () => {
  let made: Console;
  let executions: string[];
  before(async () => {
    made = await Console.start();
    const { server } = made;
    const [accessKeyId = '', secretAccessKey = ''] = server.adminKey.split(':');
    const options = { endpoint: server.url, region: 'us-east-1', credentials: { accessKeyId, secretAccessKey } };
    const [s3, sagemaker] = [new S3Client({ ...options, forcePathStyle: true }), new SageMakerClient(options)];
    await s3.send(new CreateBucketCommand({ Bucket: 'team' }));
    await s3.send(new PutObjectCommand({ Bucket: 'team', Key: 'model/model.onnx', Body: readFileSync(modelPath('digits_mlp')) }));
    await server.callWell('POST', '/tuning-jobs', {
      name: 'loss-1',
      strategy: 'Random',
      metric: 'loss',
      goal: 'Minimize',
      ranges: [{ name: 'x', type: 'continuous', min: 0.001, max: 1, scaling: 'Logarithmic' }],
      jobs: 8,
      parallel: 2,
      seed: 7,
      training: { environment: null, command: ['/bin/sh', '-c', readX], metrics: [{ name: 'loss', regex: 'loss=([0-9.e-]+)' }] },
    });
    await sagemaker.send(
      new CreateProcessingJobCommand({
        ProcessingJobName: 'evaluate-1',
        AppSpecification: {
          ImageUri: 'penstock/python:default',
          ContainerEntrypoint: [
            '/bin/sh',
            '-c',
            'echo "450 rows"; echo "{}" > /opt/ml/processing/evaluation/evaluation.json; echo "accuracy 0.95" > /opt/ml/output/message',
          ],
        },
        ProcessingInputs: [
          {
            InputName: 'model',
            S3Input: {
              S3Uri: 's3://team/model/',
              LocalPath: '/opt/ml/processing/input/model',
              S3DataType: 'S3Prefix',
              S3InputMode: 'File',
            },
          },
        ],
        ProcessingOutputConfig: {
          Outputs: [
            {
              OutputName: 'evaluation',
              S3Output: { S3Uri: 's3://team/evaluation', LocalPath: '/opt/ml/processing/evaluation', S3UploadMode: 'EndOfJob' },
            },
          ],
        },
        ProcessingResources: { ClusterConfig: resources },
        RoleArn,
      }),
    );
    const PipelineDefinition = JSON.stringify({
      Version: '2020-12-01',
      Parameters: [{ Name: 'Least', Type: 'Float', DefaultValue: 0.9 }],
      Steps: steps,
    });
    const pipeline = { PipelineName: 'Digits', PipelineDescription: 'Trains digits', PipelineDefinition, RoleArn };
    await sagemaker.send(new CreatePipelineCommand({ ...pipeline, ClientRequestToken: 'p'.repeat(32) }));
    executions = [];
    for (const Value of ['0.9', '0.99']) {
      const started = await sagemaker.send(
        new StartPipelineExecutionCommand({
          PipelineName: 'Digits',
          PipelineExecutionDisplayName: `least-${Value.replace('.', '-')}`,
          PipelineParameters: [{ Name: 'Least', Value }],
          ClientRequestToken: Value.padEnd(32, '0'),
        }),
      );
      executions.push(started.PipelineExecutionArn?.split('/').at(-1) ?? '');
    }
    s3.destroy();
    sagemaker.destroy();
    for (const id of executions) {
      await until(
        'the execution is over',
        async () => {
          const { status } = await server.callWell<PipelineExecutionBody>('GET', `/sagemaker-pipelines/Digits/executions/${id}`);
          return status !== 'Executing';
        },
        60_000,
      );
    }
    await until(
      'the tuning job is over',
      async () => (await server.callWell<TuningJobBody>('GET', '/tuning-jobs/loss-1')).status === 'Completed',
      90_000,
    );
    await until(
      'the processing job is over',
      async () => (await server.callWell<ProcessingJobBody>('GET', '/processing-jobs/evaluate-1')).status === 'Completed',
    );
  });
  after(() => made?.end());

  for (const [scheme, width] of [
    ['light', 1400],
    ['dark', 1400],
    ['light', 390],
    ['dark', 390],
  ] as const) {
    test(`their pages in ${scheme}, ${width} pixels wide`, async () => {
      const view = await made.open('/training', { scheme, width });
      const { page } = view;
      const shown = async (name: string): Promise<void> => {
        await view.assertAccessible();
        await view.screenshot(`${name}-${scheme}-${width}`);
        await view.assertNoSidewaysScroll();
      };
      await page.getByRole('link', { name: 'loss-1', exact: true }).waitFor();
      await page.getByRole('link', { name: 'evaluate-1' }).waitFor();
      await shown('training-kinds');
      await view.goTo('/training/tuning/loss-1');
      await page.getByRole('img', { name: /^loss of 8 trials: best / }).waitFor();
      await page
        .getByRole('link', { name: /loss-1-008-/ })
        .first()
        .waitFor();
      await shown('tuning-job');
      await view.goTo('/training/processing/evaluate-1');
      await page.getByRole('log').getByText('450 rows').waitFor();
      await page.getByText('Accuracy 0.95.').waitFor();
      await page.getByText('Processing job completed').waitFor();
      await page.getByRole('navigation', { name: 'Breadcrumb' }).getByText('evaluate-1').waitFor();
      await shown('processing-job');
      await view.goTo('/pipelines');
      await page.getByRole('link', { name: 'Digits' }).waitFor();
      await shown('pipelines-sagemaker');
      await view.goTo('/pipelines/Digits/executions');
      await page.getByRole('link', { name: 'least-0-99' }).waitFor();
      await shown('sagemaker-pipeline');
      await view.goTo(`/pipelines/Digits/executions/${executions[0]}`);
      await page.getByRole('link', { name: 'piped/1' }).waitFor();
      await shown('execution-succeeded');
      await view.goTo(`/pipelines/Digits/executions/${executions[1]}`);
      await page.getByText('Accuracy below 0.99.').waitFor();
      await shown('execution-failed');
      view.assertQuiet();
    });
  }

  test('a step leads to its job, and a running tuning job is stopped', async () => {
    const view = await made.open(`/pipelines/Digits/executions/${executions[0]}`);
    const { page } = view;
    await page.getByRole('link', { name: /^pipelines-.*-Train-/ }).click();
    await page.getByRole('heading', { level: 1, name: /^pipelines-/ }).waitFor();
    await made.server.callWell('POST', '/tuning-jobs', {
      name: 'endless',
      strategy: 'Random',
      metric: 'loss',
      ranges: [{ name: 'x', type: 'continuous', min: 0, max: 1 }],
      jobs: 2,
      training: { environment: null, command: ['/bin/sh', '-c', 'sleep 600'], metrics: [{ name: 'loss', regex: 'loss=(.+)' }] },
    });
    await view.goTo('/training/tuning/endless');
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByRole('button', { name: 'Stop tuning job' }).click();
    const stopped = await until(
      'it is stopped',
      async () => {
        const job = await made.server.callWell<TuningJobBody>('GET', '/tuning-jobs/endless');
        return job.status === 'Stopped' && job;
      },
      30_000,
    );
    assert.equal(stopped.counts.completed, 0);
    view.assertQuiet();
  });

  for (const width of [1400, 390]) {
    test(`a running execution is stopped after a confirmation, which shows a failure, ${width} pixels wide`, async () => {
      const { server } = made;
      const [accessKeyId = '', secretAccessKey = ''] = server.adminKey.split(':');
      const sagemaker = new SageMakerClient({ endpoint: server.url, region: 'us-east-1', credentials: { accessKeyId, secretAccessKey } });
      const PipelineName = `Endless-${width}`;
      const Arguments = {
        ...steps[0]?.Arguments,
        AlgorithmSpecification: {
          TrainingImage: 'penstock/python:default',
          TrainingInputMode: 'File',
          ContainerEntrypoint: ['/bin/sh', '-c', 'exec sleep 600'],
        },
      };
      const PipelineDefinition = JSON.stringify({ Version: '2020-12-01', Steps: [{ Name: 'Train', Type: 'Training', Arguments }] });
      const ClientRequestToken = PipelineName.padEnd(32, '0');
      await sagemaker.send(new CreatePipelineCommand({ PipelineName, PipelineDefinition, RoleArn, ClientRequestToken }));
      const PipelineExecutionDisplayName = 'endless';
      const started = await sagemaker.send(
        new StartPipelineExecutionCommand({ PipelineName, PipelineExecutionDisplayName, ClientRequestToken }),
      );
      sagemaker.destroy();
      const id = started.PipelineExecutionArn?.split('/').at(-1) ?? '';
      const at = `/sagemaker-pipelines/${PipelineName}/executions/${id}`;
      const isTraining = async () => (await server.callWell<PipelineExecutionBody>('GET', at)).steps[0]?.made ?? null;
      await until('its job runs', async () => (await isTraining()) !== null, 30_000);
      const view = await made.open(`/pipelines/${PipelineName}/executions/${id}`, { width });
      const { page } = view;
      await page.getByRole('button', { name: 'Stop', exact: true }).click();
      const dialog = page.getByRole('dialog', { name: 'Stop execution endless?' });
      await dialog.getByText('The jobs of its running steps are stopped, too').waitFor();
      await view.assertAccessible();
      await view.screenshot(`execution-stop-light-${width}`);
      await view.assertNoSidewaysScroll();
      await page.route('**/stop', (route) => route.fulfill({ status: 503, json: { error: 'the disk is full', code: 'unavailable' } }));
      await dialog.getByRole('button', { name: 'Stop execution' }).click();
      await dialog.getByText('The disk is full').waitFor();
      await view.screenshot(`execution-stop-failed-light-${width}`);
      await page.unroute('**/stop');
      await dialog.getByRole('button', { name: 'Stop execution' }).click();
      await dialog.waitFor({ state: 'hidden' });
      await until('it is stopped', async () => (await server.callWell<PipelineExecutionBody>('GET', at)).status === 'Stopped', 30_000);
      await page.getByText('Stopped', { exact: true }).first().waitFor();
      assert.equal(await page.getByRole('button', { name: 'Stop', exact: true }).count(), 0);
      await view.screenshot(`execution-stopped-light-${width}`);
      await view.assertNoSidewaysScroll();
    });
  }
});
