import {describe, expect, it} from 'vitest';
import {serviceChanges} from '../../../src/stages/customize.ts';

describe('serviceChanges()', () => {
  it('unmasks what it enables, and masks last', () => {
    const changes = serviceChanges({
      enable: ['ssh', 'my.timer'],
      disable: ['cron'],
      mask: ['apt-daily.timer', 'foo@bar'],
    });
    expect(changes.map((change) => (change.do === 'run' ? change.command.join(' ') : change.do))).toEqual([
      'systemctl --root=/ unmask ssh.service my.timer',
      'systemctl --root=/ enable ssh.service my.timer',
      'systemctl --root=/ disable cron.service',
      'systemctl --root=/ mask apt-daily.timer foo@bar.service',
    ]);
  });

  it('does nothing without services', () => {
    expect(serviceChanges({enable: [], disable: [], mask: []})).toEqual([]);
  });
});
