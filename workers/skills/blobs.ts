/** Where skills' files are kept when they are too large for a row. */
import type { SkillRow } from "./repository.ts";

type SkillRef = Pick<SkillRow, "id" | "project_id">;

/** All blobs of a skill lie under it. */
function skillPrefix({ id, project_id }: SkillRef): string {
  return `skills/${project_id}/${id}/`;
}

/** Files are named by the content that they have, so that versions share what is the same. */
export function skillFilesKey(skill: SkillRef, sha256: string): string {
  return `${skillPrefix(skill)}files/${sha256}.json`;
}

export async function deleteSkillBlobs(bucket: R2Bucket, skill: SkillRef): Promise<void> {
  for (;;) {
    const { objects } = await bucket.list({ prefix: skillPrefix(skill) });
    if (objects.length === 0) return;
    await bucket.delete(objects.map(({ key }) => key));
  }
}
