/** The expected files and variables are those that SageMaker's training toolkit and SDK 3.27's drivers read. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { channelDefaults, type TrainingSpec, trainingDefaults } from '../spec.ts';
import { contractCommand, contractFiles, contractVariables } from './contract.ts';

const spec: TrainingSpec = {
  ...trainingDefaults,
  name: 'digits-7',
  hyperparameters: { C: '0.5', flag: 'true', sagemaker_program: '"train.py"' },
  channels: [{ ...channelDefaults, name: 'train', contentType: 'text/csv', source: { kind: 's3', bucket: 'team', prefix: 'digits/' } }],
  output: { bucket: 'team', prefix: 'out', isPacked: true },
  instanceType: 'ml.m5.large',
  environmentVariables: { DATA: '/opt/ml/input/data', PATH: '/own' },
};
const facts = {
  ml: '/opt/ml',
  arn: 'arn:aws:sagemaker:us-east-1:000000000000:training-job/digits-7',
  region: 'us-east-1',
  environmentBin: '/env/bin',
  server: null,
  installsRequirements: true,
};

describe('the container contract', () => {
  test('has the configuration files', () => {
    const files = contractFiles(spec, { ml: '/opt/ml' });
    assert.deepEqual(files, {
      'input/config/hyperparameters.json': '{"C":"0.5","flag":"true","sagemaker_program":"\\"train.py\\""}',
      'input/config/inputdataconfig.json':
        '{"train":{"ContentType":"text/csv","TrainingInputMode":"File","S3DistributionType":"FullyReplicated","RecordWrapperType":"None"}}',
      'input/config/resourceconfig.json':
        '{"current_host":"algo-1","current_instance_type":"ml.m5.large","current_group_name":"homogeneousCluster","current_instance_group":"homogeneousCluster",' +
        '"hosts":["algo-1"],"instance_groups":[{"instance_group_name":"homogeneousCluster","instance_type":"ml.m5.large","hosts":["algo-1"]}],"network_interface_name":"lo"}',
    });
  });

  test('names the entry of an uploaded source', () => {
    const files = contractFiles({ ...spec, hyperparameters: {}, entry: 'src/train.py' }, { ml: '/opt/ml' });
    assert.deepEqual(JSON.parse(files['input/config/hyperparameters.json'] ?? ''), {
      sagemaker_program: '"src/train.py"',
      sagemaker_job_name: '"digits-7"',
    });
  });

  test('sets variables, those of the job last', () => {
    assert.deepEqual(contractVariables(spec, facts), {
      TRAINING_JOB_NAME: 'digits-7',
      TRAINING_JOB_ARN: facts.arn,
      AWS_REGION: 'us-east-1',
      AWS_DEFAULT_REGION: 'us-east-1',
      PYTHONUNBUFFERED: '1',
      PYTHONDONTWRITEBYTECODE: '1',
      LANG: 'C.UTF-8',
      PATH: '/own',
      DATA: '/opt/ml/input/data',
    });
  });

  test('tells script mode that packages are not installed here, whatever the job says', () => {
    const environmentVariables = { PENSTOCK_REQUIREMENTS: 'install' };
    const variables = contractVariables({ ...spec, environmentVariables }, { ...facts, installsRequirements: false });
    assert.equal(variables['PENSTOCK_REQUIREMENTS'], 'refuse');
  });

  test('has the environment first in PATH, and a key of the server', () => {
    const server = { url: 'http://127.0.0.1:8080', keyId: 'ASIA1', secret: 's', token: 't' };
    const variables = contractVariables({ ...spec, environmentVariables: {} }, { ...facts, server });
    assert.match(variables['PATH'] ?? '', /^\/env\/bin:\/usr\/local\/sbin:/);
    assert.deepEqual(
      [variables['AWS_ENDPOINT_URL'], variables['AWS_ACCESS_KEY_ID'], variables['AWS_SECRET_ACCESS_KEY'], variables['AWS_SESSION_TOKEN']],
      ['http://127.0.0.1:8080', 'ASIA1', 's', 't'],
    );
  });

  test('says where /opt/ml is on machines that cannot bind it', () => {
    const variables = contractVariables(spec, { ...facts, ml: '/data/ml$&' });
    assert.deepEqual([variables['SAGEMAKER_BASE_DIR'], variables['DATA']], ['/data/ml$&', '/data/ml$&/input/data']);
    const command = contractCommand(['/opt/ml/code/a', 'x /opt/ml', '/opt/mlx', '/opt/ml.bak'], { ml: '/m' });
    assert.deepEqual(command, ['/m/code/a', 'x /m', '/opt/mlx', '/opt/ml.bak']);
  });
});
