import {describe, expect, it} from 'vitest';
import {registeredName} from '../../../src/register/name.ts';
import {schema} from '../../../targets/openstack/schema.ts';
import {image} from '../../rig/images.ts';

const digest = '0123456789abcdef'.repeat(4);

describe('registeredName()', () => {
  it('fills in what the braces stand for', () => {
    const template = '{image} {target} {release} {architecture} {digest}';
    expect(registeredName(template, {image: image(), target: 'cloud', digest})).toBe(
      'web cloud bookworm amd64 0123456789ab',
    );
  });

  it('leaves everything else as it is', () => {
    expect(registeredName('{Image} {} web', {image: image(), target: 'cloud', digest})).toBe(
      '{Image} {} web',
    );
  });
});

describe('register.name', () => {
  it('is refused with words that stand for nothing', () => {
    const refused = schema.safeParse({register: {name: 'web-{version}'}});
    expect(refused.error?.issues.map(({message}) => message)).toEqual([
      '{version} stands for nothing in a name\nUse {image}, {target}, {release}, {architecture}, {digest}',
    ]);
  });
});
