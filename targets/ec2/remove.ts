import type {RemoteImage} from '../registrar.ts';
import {BlockNotes} from './block-notes.ts';
import {removeImportTask} from './import-tasks.ts';
import {removeAmiById, removeSnapshot} from './removal.ts';
import type {Session} from './session.ts';

/** Takes away an AMI, or what was left on the way to one, with its copies and snapshots. */
export async function removeRemote(session: Session, {id, belongings = {}}: RemoteImage): Promise<void> {
  const {home, notesFolder} = session;
  if (id.startsWith('import-')) {
    await removeImportTask(session, id, belongings);
    return;
  }
  if (id.startsWith('snap-')) {
    await removeSnapshot(home, id);
    BlockNotes.forget(notesFolder, id);
    return;
  }
  for (const [name, copy] of Object.entries(belongings)) {
    if (!name.startsWith('ami:')) continue;
    const region = name.slice('ami:'.length);
    await removeAmiById(await session.region(region), copy, words(belongings[`snapshots:${region}`]));
  }
  await removeAmiById(home, id, words(belongings['snapshots']));
}

function words(text: string | undefined): readonly string[] {
  return (text ?? '').split(' ').filter((word) => word !== '');
}
