/** Try it for a model that is no classifier: two small inputs, and three numbers that are their sum. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  TensorShapeProto_DimensionSchema as DimensionSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { modelPath } from '../models/index.ts';
import { Console, noBrowser } from './browser.ts';

const float = 1;

/** `[N,3]` of FP32. */
function rows(name: string) {
  const dim: MessageInitShape<typeof DimensionSchema>[] = [
    { value: { case: 'dimParam', value: 'N' } },
    { value: { case: 'dimValue', value: 3n } },
  ];
  const shape = create(TensorShapeProtoSchema, { dim: dim.map((each) => create(DimensionSchema, each)) });
  const tensor = create(TypeProto_TensorSchema, { elemType: float, shape });
  return create(ValueInfoProtoSchema, { name, type: create(TypeProtoSchema, { value: { case: 'tensorType', value: tensor } }) });
}

function sumModel(): Uint8Array {
  const model = fromBinary(ModelProtoSchema, readFileSync(modelPath('test_affine')));
  assert(model.graph);
  model.graph.node = [create(NodeProtoSchema, { opType: 'Add', input: ['a', 'b'], output: ['y'] })];
  model.graph.initializer = [];
  model.graph.input = ['a', 'b'].map(rows);
  model.graph.output = [rows('y')];
  return toBinary(ModelProtoSchema, model);
}

describe('a model whose answer is numbers', { skip: noBrowser }, () => {
  let made: Console;
  before(async () => {
    made = await Console.start();
    const { server } = made;
    await server.callWell('POST', '/groups/sum/versions?name=sum.onnx', sumModel());
    await server.callWell('POST', '/groups/sum/versions/1/approval', { approval: 'Approved' });
    await server.callWell('POST', '/endpoints', { name: 'sum', variants: [{ model: 'sum/1' }] });
    await server.inService('sum');
  });
  after(() => made?.end());

  for (const width of [390, 1200, 1400]) {
    test(`has a form beside or above the code, not over it, at ${width} px`, async () => {
      const look = await made.open('/endpoints/sum/try?by=form', { width });
      const { page } = look;
      const inputs = page.getByRole('region', { name: 'One row' });
      await inputs.waitFor();
      const [form, code, title] = await Promise.all(
        [inputs, page.locator('.card', { has: page.locator('pre') }), page.locator('h1')].map((each) => each.boundingBox()),
      );
      assert(form && code && title);
      assert(form.x + form.width <= code.x || form.y + form.height <= code.y, JSON.stringify({ form, code }));
      assert.equal(form.x, title.x, 'the cards begin where the title does');
      await look.assertNoSidewaysScroll();
      await look.screenshot(`try-values-form-${width}`);
      look.assertQuiet();
    });
  }

  test('shows the numbers of a row of the form', async () => {
    const look = await made.open('/endpoints/sum/try?by=form');
    const { page } = look;
    await page.getByLabel('0').first().fill('6');
    await page.getByRole('button', { name: 'Send row' }).click();
    await page.locator('.answered').getByText('[6, 0, 0]').waitFor();
    look.assertQuiet();
  });

  for (const scheme of ['light', 'dark'] as const) {
    test(`shows the numbers of each row of a file, and no class, ${scheme}`, async () => {
      const look = await made.open('/endpoints/sum/try', { scheme });
      const { page } = look;
      const csv = 'a0,a1,a2,b0,b1,b2\n1,2,3,5,5,6\n0,0,1,1,0,0\n';
      await page.locator('input[type=file]').setInputFiles({ name: 'rows.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) });
      await page.getByRole('cell', { name: '[6, 7, 9]' }).waitFor();
      await page.getByText('Cost, from 2 receipts').waitFor();
      assert.equal(await page.getByText(/\d classes/).count(), 0);
      assert.equal(await page.getByRole('columnheader', { name: /Probability/ }).count(), 0);
      await look.assertAccessible();
      await look.screenshot(`try-values-csv-${scheme}`);
      look.assertQuiet();
    });
  }

  test('speaks of one receipt where there is one', async () => {
    const look = await made.open('/endpoints/sum/try');
    const csv = 'a0,a1,a2,b0,b1,b2\n1,2,3,5,5,6\n';
    await look.page.locator('input[type=file]').setInputFiles({ name: 'row.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) });
    await look.page.getByText('Cost, from 1 receipt', { exact: true }).waitFor();
    look.assertQuiet();
  });
});
