import {expect, it} from 'vitest';
import {unitStates} from '../../../src/inventory/units.ts';

it('unitStates() lets a mask count for more than a link, and a link for more than a file', () => {
  const sights = [
    ['installable', 'ssh.service'],
    ['wanted', 'ssh.service'],
    ['installable', 'quota.service'],
    ['wanted', 'apt-daily.timer'],
    ['masked', 'apt-daily.timer'],
    ['installable', 'apt-daily.timer'],
    ['installable', 'getty@.service'],
    ['wanted', 'getty@tty1.service'],
    ['alias', 'graphical.target'],
    ['linked', 'other.service'],
  ].map(([what = '', name = '']) => ({what, name}));
  expect(unitStates(sights).map(({name, state}) => `${name} ${state}`)).toEqual([
    'apt-daily.timer masked',
    'getty@.service enabled',
    'getty@tty1.service enabled',
    'graphical.target enabled',
    'quota.service disabled',
    'ssh.service enabled',
  ]);
});
