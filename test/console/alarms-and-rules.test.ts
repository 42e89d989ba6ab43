/** Alarms and rules are made, changed and deleted in the browser. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { AlarmBody, PageBody, RuleBody } from '../../src/api/index.ts';
import { Console, noBrowser } from './browser.ts';

describe('alarms and rules', { skip: noBrowser }, () => {
  let made: Console;
  before(async () => {
    made = await Console.start();
    await made.server.deploy('digits', 'digits_mlp');
  });
  after(() => made?.end());

  test('an alarm is created with a rule as text, changed and deleted; a wrong rule is explained', async () => {
    const view = await made.open('/monitoring?tab=alarms');
    const { page } = view;
    await page.getByRole('button', { name: 'Create an alarm' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('slow');
    await dialog.getByLabel('Rule').fill('slow answers');
    await dialog.getByRole('button', { name: 'Create alarm' }).click();
    await dialog.getByText(/the rule 'slow answers' is not understood: expected such as/i).waitFor();
    await view.assertAccessible();
    await view.screenshot('alarm-form-error');
    await dialog.getByLabel('Rule').fill('p99 of Latency > 50 in 3 of 5 x 60s');
    await dialog.getByLabel('URL to call').fill('http://127.0.0.1:9/hook');
    await dialog.getByRole('button', { name: 'Create alarm' }).click();
    await page.getByText('p99 of Latency > 50 in 3 of 5 x 60 s').waitFor();
    await page.getByRole('button', { name: 'Change slow' }).click();
    await dialog.getByLabel('Rule').fill('p99 of Latency > 80');
    await dialog.getByLabel('Description').fill('for the pager');
    await dialog.getByRole('button', { name: 'Save alarm' }).click();
    await page.getByText('p99 of Latency > 80 in 1 of 1 x 60 s. for the pager').waitFor();
    const own = (await made.server.callWell<PageBody<AlarmBody>>('GET', '/alarms')).items.find(({ name }) => name === 'slow');
    assert.deepEqual(own?.actions.alarm, ['http://127.0.0.1:9/hook']);
    assert.deepEqual(own?.metric?.dimensions, { EndpointName: 'digits', VariantName: 'AllTraffic' });
    await view.screenshot('alarms-own');
    await page.getByRole('button', { name: 'Delete slow' }).click();
    await page.getByRole('button', { name: 'Delete alarm' }).click();
    await page.getByRole('button', { name: 'Delete slow' }).waitFor({ state: 'detached' });
    view.assertQuiet(/400/);
  });

  test('a rule is created with its targets, changed and deleted', async () => {
    const view = await made.open('/monitoring?tab=rules');
    const { page } = view;
    await page.getByRole('button', { name: 'Create a rule' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('failed');
    await dialog.getByLabel('Send to').fill('http://127.0.0.1:9/hook');
    await view.screenshot('rule-form');
    await dialog.getByRole('button', { name: 'Create rule' }).click();
    await page.getByText('http://127.0.0.1:9/hook').waitFor();
    await page.getByRole('button', { name: 'Change failed' }).click();
    await dialog.getByLabel('Enabled').uncheck();
    await dialog.getByRole('button', { name: 'Save rule' }).click();
    await page.getByText('Disabled').waitFor();
    const [rule] = (await made.server.callWell<PageBody<RuleBody>>('GET', '/rules')).items;
    assert.deepEqual([rule?.state, rule?.targets.length], ['disabled', 1]);
    await view.assertAccessible();
    await view.screenshot('rules-own');
    await page.getByRole('button', { name: 'Delete failed' }).click();
    await page.getByRole('button', { name: 'Delete rule' }).click();
    await page.getByText('No rules yet').waitFor();
    view.assertQuiet();
  });

  test('forms and actions fit a phone, in the dark', async () => {
    await made.server.callWell('PUT', '/alarms/slow', { rule: 'p99 of Latency > 50', endpoint: 'digits' });
    await made.server.callWell('PUT', '/rules/failed', { pattern: '{"source": ["aws.sagemaker"]}', targets: ['http://127.0.0.1:9/hook'] });
    const view = await made.open('/monitoring?tab=alarms&open=digits', { width: 390, scheme: 'dark' });
    await view.page.getByRole('button', { name: 'Change slow' }).waitFor();
    await view.screenshot('alarms-narrow-dark');
    await view.page.getByRole('button', { name: 'Create an alarm' }).click();
    await view.page.getByRole('dialog').getByLabel('Rule').waitFor();
    await view.screenshot('alarm-form-narrow-dark');
    await view.goTo('/monitoring?tab=rules');
    await view.page.getByRole('button', { name: 'Change failed' }).waitFor();
    await view.screenshot('rules-narrow-dark');
    await view.page.getByRole('button', { name: 'Create a rule' }).click();
    await view.page.getByRole('dialog').getByLabel('Pattern').waitFor();
    await view.screenshot('rule-form-narrow-dark');
    view.assertQuiet();
  });
});
