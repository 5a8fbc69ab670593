CREATE TABLE `runners` (
	`id` text PRIMARY KEY NOT NULL,
	`project_id` text,
	`name` text NOT NULL,
	`token_hash` text NOT NULL,
	`token_expires_at` integer NOT NULL,
	`public_key` text,
	`machine` text,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`registered_at` integer,
	`revoked_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `runners_by_token` ON `runners` (`token_hash`);--> statement-breakpoint
CREATE INDEX `runners_by_project` ON `runners` (`project_id`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `runners_by_age` ON `runners` (`created_at`,`id`);