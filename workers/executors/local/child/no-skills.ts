/** What `ctx.skills.invoke` comes to where code may invoke no skills. */

/** Rejects as the gateway does for what is not permitted. */
export function refuseSkill(slug: string, why: string): Promise<never> {
  const error = new Error(`The skill "${slug}" may not be invoked here: ${why}`);
  return Promise.reject(Object.assign(error, { code: "skill_not_permitted" }));
}
